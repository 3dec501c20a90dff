// The keys of a GGUF file, from what a checkpoint folder says. Names: model/names.h.
#pragma once

#include <string>

#include "ggml-cpp.h"
#include "gguf.h"
#include "model/hparams.h"
#include "text/vocabulary.h"

namespace altclip {

/// An empty file whose tensors will begin at multiples of `alignment`, a power of two.
gguf_context_ptr aligned_gguf(uint32_t alignment);

void write_hparams(gguf_context * gguf, const Hparams & hparams);

/// Every field of a preprocessor_config.json that names.h has a key for; `path` is UTF-8. `size` and `crop_size` may be
/// a number, as in old files, or an object. Throws io and model_format, naming the field and what was expected.
void write_preprocessor(gguf_context * gguf, const std::string & path);

/// Throws model_format where the vocabulary contradicts itself or has more tokens than the model.
void write_vocabulary(gguf_context * gguf, const Vocabulary & vocabulary, int32_t n_vocab, const std::string & path);

}  // namespace altclip

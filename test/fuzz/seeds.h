// Sound files of every format, made from nothing: a tiny AltCLIP whose parts the mutations know.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "mutation.h"

namespace fuzz {

nlohmann::json config();        // config.json
nlohmann::json preprocessor();  // preprocessor_config.json
nlohmann::json tokenizer();     // tokenizer.json
Parts sentencepiece();          // sentencepiece.bpe.model

/// model.safetensors of config()'s model in two pieces.
struct Safetensors {
    nlohmann::json header;
    std::string data;

    std::string join() const;
};
Safetensors safetensors();

/// pytorch_model.bin as torch.save writes it; `long_fields` as archives beyond 4 GB have them.
Parts torch_archive(const Parts & pickle, bool long_fields);
Parts torch_pickle();
/// The same as other tools write it, entries deflated: stored blocks and the fixed code.
Parts deflated_archive(const Parts & pickle);

/// Converts a folder of the above and takes the file apart. Throws what convert_model throws.
Parts gguf(const std::string & dtype, bool packed = false);

}  // namespace fuzz

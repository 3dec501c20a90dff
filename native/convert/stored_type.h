// Which ggml type a tensor of a model is stored in.
#pragma once

#include "convert/tensor_map.h"
#include "model/file_type.h"

namespace altclip {

/// Norms, biases, positions and the class token stay f32. A mix keeps its finer type for attn_v, attn_out and
/// ffn_down of every block, the patch embedding and the projections, not for the token table. Rows that are no whole
/// blocks of a K type fall back to q8_0, and to f16 where they are no multiple of 32 either; the patch embedding never
/// falls back, since its rows are padded.
ggml_type stored_type(const TensorSpec & spec, const FileType & file_type);
/// Values of a row as `type`, the padding included.
int64_t stored_row(const TensorSpec & spec, ggml_type type);

}  // namespace altclip

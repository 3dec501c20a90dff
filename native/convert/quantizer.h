// From f32 to the types a file's tensors are stored in.
#pragma once

#include <cstdint>

#include "ggml.h"

namespace altclip {

/// Writes `n_rows` rows of `n_row` finite values (whole blocks of `type`) to `out`, which takes ggml_row_size(type,
/// n_row) bytes a row: the bytes that ggml's own quantiser (ggml_quantize_chunk) gives.
void quantize_rows(ggml_type type, const float * values, int64_t n_rows, int64_t n_row, uint8_t * out);

}  // namespace altclip

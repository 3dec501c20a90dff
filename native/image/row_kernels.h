// The inner loops of resampling, on rows of interleaved RGB bytes; integers, so every order of summation is exact.
#pragma once

#include <cstdint>

#include "image/coefficients.h"

namespace altclip {

/// One row: output pixel i (3 bytes) is the weighted sum of row's pixels from table.first[i] - first_pixel on.
using ResampleRow = void (*)(const uint8_t * row, int first_pixel, const ResampleTable & table, uint8_t * out);

/// One row: out[i] is the weighted sum of `n_rows` rows, `stride` bytes apart, for i in [0, n_bytes).
using BlendRows = void (*)(const uint8_t * rows, size_t stride, const int32_t * weights, int n_rows, int n_bytes,
                           uint8_t * out);

void resample_row_rgb8_scalar(const uint8_t * row, int first_pixel, const ResampleTable & table, uint8_t * out);
void blend_rows_u8_scalar(const uint8_t * rows, size_t stride, const int32_t * weights, int n_rows, int n_bytes,
                          uint8_t * out);

}  // namespace altclip

// The inner loops of resampling, on rows of interleaved RGB bytes; integers, so every order of summation is exact and
// every instruction set gives the same bytes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "image/coefficients.h"
#include "kernels/isa.h"

namespace altclip {

/// Rows of interleaved RGB bytes, `stride` bytes apart; a view.
struct RowsView {
    const uint8_t * data;
    size_t stride;
    int n_rows;
    int width;        // pixels a row
    int first_pixel;  // where a row's first pixel lies in the image that a table speaks of
};

/// Output pixel i (3 bytes) of every row is the weighted sum of the row's pixels from table.first[i] on. Output rows
/// follow one another.
using ResampleRows = void (*)(const RowsView & rows, const ResampleTable & table, uint8_t * out);

/// One output row: out[i] is the weighted sum of `n_rows` rows, `stride` bytes apart, for i in [0, n_bytes).
using BlendRows = void (*)(const uint8_t * rows, size_t stride, const int32_t * weights, int n_rows, int n_bytes,
                           uint8_t * out);

struct RowKernels {
    ResampleRows resample_rows;
    BlendRows blend_rows;
};

/// The fastest ones that `isa` can run.
RowKernels row_kernels(Isa isa);

void resample_rows_rgb8_scalar(const RowsView & rows, const ResampleTable & table, uint8_t * out);
void blend_rows_u8_scalar(const uint8_t * rows, size_t stride, const int32_t * weights, int n_rows, int n_bytes,
                          uint8_t * out);

// each in a file that is compiled for that instruction set alone; absent on other processors
void resample_rows_rgb8_avx2(const RowsView & rows, const ResampleTable & table, uint8_t * out);
void blend_rows_u8_avx2(const uint8_t * rows, size_t stride, const int32_t * weights, int n_rows, int n_bytes,
                        uint8_t * out);
void resample_rows_rgb8_avx512_vnni(const RowsView & rows, const ResampleTable & table, uint8_t * out);
void resample_rows_rgb8_neon(const RowsView & rows, const ResampleTable & table, uint8_t * out);
void blend_rows_u8_neon(const uint8_t * rows, size_t stride, const int32_t * weights, int n_rows, int n_bytes,
                        uint8_t * out);

}  // namespace altclip

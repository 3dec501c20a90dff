#include "image/row_kernels.h"

#include <algorithm>
#include <cstddef>

namespace altclip {

namespace {

constexpr int32_t half = 1 << (resample_precision_bits - 1);

uint8_t rounded(int32_t sum) {
    return uint8_t(std::clamp(sum >> resample_precision_bits, 0, 255));
}

}  // namespace

RowKernels row_kernels(Isa isa) {
#if defined(__x86_64__) || defined(_M_X64)
#ifndef ALTCLIP_SIMDE
    if (isa == Isa::avx512_vnni || isa == Isa::avx512_bf16) return {resample_rows_rgb8_avx512_vnni, blend_rows_u8_avx2};
#endif
    if (isa != Isa::scalar) return {resample_rows_rgb8_avx2, blend_rows_u8_avx2};
#elif defined(__aarch64__) || defined(_M_ARM64)
    if (isa != Isa::scalar) return {resample_rows_rgb8_neon, blend_rows_u8_neon};
#endif
    static_cast<void>(isa);
    return {resample_rows_rgb8_scalar, blend_rows_u8_scalar};
}

void resample_rows_rgb8_scalar(const RowsView & rows, const ResampleTable & table, uint8_t * out) {
    const int n_pixels = int(table.first.size());
    for (int y = 0; y < rows.n_rows; ++y) {
        const uint8_t * const row = rows.data + size_t(y) * rows.stride;
        for (int pixel = 0; pixel < n_pixels; ++pixel, out += 3) {
            const uint8_t * in = row + size_t(table.first[pixel] - rows.first_pixel) * 3;
            const int32_t * const weights = table.weights_of(pixel);
            int32_t r = half, g = half, b = half;
            for (int i = 0; i < table.length[pixel]; ++i, in += 3) {
                r += in[0] * weights[i];
                g += in[1] * weights[i];
                b += in[2] * weights[i];
            }
            out[0] = rounded(r);
            out[1] = rounded(g);
            out[2] = rounded(b);
        }
    }
}

void blend_rows_u8_scalar(const uint8_t * rows, size_t stride, const int32_t * weights, int n_rows, int n_bytes,
                          uint8_t * out) {
    constexpr int block = 256;  // sums stay in the first-level cache while the rows stream by
    int32_t sums[block];
    for (int begin = 0; begin < n_bytes; begin += block) {
        const int n = std::min(block, n_bytes - begin);
        std::fill_n(sums, n, half);
        for (int y = 0; y < n_rows; ++y) {
            const uint8_t * const row = rows + size_t(y) * stride + begin;
            for (int i = 0; i < n; ++i) sums[i] += row[i] * weights[y];
        }
        for (int i = 0; i < n; ++i) out[begin + i] = rounded(sums[i]);
    }
}

}  // namespace altclip

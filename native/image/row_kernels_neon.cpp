// The inner loops of resampling for NEON; the scalar ones in row_kernels.cpp are the reference. NEON multiplies 32-bit
// numbers, four at a time, so that weights stay whole.
#if defined(__aarch64__) || defined(_M_ARM64)
#include <arm_neon.h>

#include "image/row_kernels.h"

namespace altclip {

namespace {

constexpr int32_t half = 1 << (resample_precision_bits - 1);
constexpr int taps = 8;  // input pixels in one step

/// Weighted sums of 8 numbers, to be added up at the end.
struct Sums {
    int32x4_t front = vdupq_n_s32(0);
    int32x4_t back = vdupq_n_s32(0);

    void add(uint8x8_t bytes, int32x4_t front_weights, int32x4_t back_weights) {
        const uint16x8_t words = vmovl_u8(bytes);
        front = vmlaq_s32(front, vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(words))), front_weights);
        back = vmlaq_s32(back, vreinterpretq_s32_u32(vmovl_u16(vget_high_u16(words))), back_weights);
    }
    int32_t total() const { return vaddvq_s32(vaddq_s32(front, back)); }
};

/// One output pixel; `in` is the first byte of its window.
void resample_pixel(const uint8_t * in, const int32_t * weights, int length, uint8_t * out) {
    Sums r, g, b;
    int i = 0;
    for (; i + taps <= length; i += taps, in += 3 * taps) {
        const uint8x8x3_t rgb = vld3_u8(in);
        const int32x4_t front = vld1q_s32(weights + i), back = vld1q_s32(weights + i + 4);
        r.add(rgb.val[0], front, back);
        g.add(rgb.val[1], front, back);
        b.add(rgb.val[2], front, back);
    }
    int32_t sums[4] = {half + r.total(), half + g.total(), half + b.total(), 0};
    for (; i < length; ++i, in += 3) {
        for (int c = 0; c < 3; ++c) sums[c] += in[c] * weights[i];
    }
    const uint16x4_t words = vqmovun_s32(vshrq_n_s32(vld1q_s32(sums), resample_precision_bits));
    const uint8x8_t bytes = vqmovn_u16(vcombine_u16(words, words));
    out[0] = vget_lane_u8(bytes, 0);
    out[1] = vget_lane_u8(bytes, 1);
    out[2] = vget_lane_u8(bytes, 2);
}

}  // namespace

void resample_rows_rgb8_neon(const RowsView & rows, const ResampleTable & table, uint8_t * out) {
    const int n_pixels = int(table.first.size());
    for (int y = 0; y < rows.n_rows; ++y) {
        const uint8_t * const row = rows.data + size_t(y) * rows.stride;
        for (int pixel = 0; pixel < n_pixels; ++pixel, out += 3) {
            resample_pixel(row + size_t(table.first[pixel] - rows.first_pixel) * 3, table.weights_of(pixel),
                           table.length[pixel], out);
        }
    }
}

void blend_rows_u8_neon(const uint8_t * rows, size_t stride, const int32_t * weights, int n_rows, int n_bytes,
                        uint8_t * out) {
    constexpr int block = 16;
    int column = 0;
    for (; column + block <= n_bytes; column += block) {
        int32x4_t sums[4];
        for (int32x4_t & sum : sums) sum = vdupq_n_s32(half);
        for (int y = 0; y < n_rows; ++y) {
            const uint8x16_t bytes = vld1q_u8(rows + size_t(y) * stride + column);
            const uint16x8_t words[2] = {vmovl_u8(vget_low_u8(bytes)), vmovl_high_u8(bytes)};
            for (int i = 0; i < 2; ++i) {
                const uint32x4_t front = vmovl_u16(vget_low_u16(words[i])), back = vmovl_high_u16(words[i]);
                sums[2 * i] = vmlaq_n_s32(sums[2 * i], vreinterpretq_s32_u32(front), weights[y]);
                sums[2 * i + 1] = vmlaq_n_s32(sums[2 * i + 1], vreinterpretq_s32_u32(back), weights[y]);
            }
        }
        uint16x4_t levels[4];
        for (int i = 0; i < 4; ++i) levels[i] = vqmovun_s32(vshrq_n_s32(sums[i], resample_precision_bits));
        const uint8x8_t front = vqmovn_u16(vcombine_u16(levels[0], levels[1]));
        vst1q_u8(out + column, vcombine_u8(front, vqmovn_u16(vcombine_u16(levels[2], levels[3]))));
    }
    if (column < n_bytes) {
        blend_rows_u8_scalar(rows + column, stride, weights, n_rows, n_bytes - column, out + column);
    }
}

}  // namespace altclip
#endif

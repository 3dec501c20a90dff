// Products of q8_0 weights as they are with 14-bit activations split into two bytes, for the instructions that multiply
// bytes: a = 128 high + low, so a block of 32 inputs takes two passes over the same weights, is exact in 32 bits, and
// meets its multiplier as a float. Tiles of 6 tokens by 8 outputs: 12 sums of the block, 12 of the floats.
//
// Per block and vector of four sums, with sdot: 16 multiplications and 3 instructions for the multiplier, where fmla
// takes 32; with smmla 8 and 3.
#pragma once

#include <arm_neon.h>

#include <cmath>
#include <cstring>
#include <utility>

#include "kernels/neon_products.h"

namespace altclip::neon {

inline constexpr int64_t half_tile = 8;  // outputs
inline constexpr int64_t n_sums = 12;
inline constexpr float largest_activation = 8191;
/// Of a widened block: 16 multipliers (f32), then 16 outputs' 32 inputs (int8) as Step orders them.
inline constexpr int64_t byte_block = output_tile * 4 + q8_block * output_tile;

/// [n_in / 32][high, low] of 6 tokens by 32 inputs (int8) as Step orders them.
template <typename Step>
void pack_bytes(const float * x, int64_t ld, int64_t n_rows, int64_t n_in, int32_t * out, float * scales) {
    auto * bytes = reinterpret_cast<int8_t *>(out);
    for (int64_t r = 0; r < n_rows; ++r) {
        const float * row = x + r * ld;
        const float largest = largest_magnitude(row, n_in);
        scales[r] = largest / largest_activation;
        const float inverse = largest > 0 ? largest_activation / largest : 0.0f;
        for (int64_t i = 0; i < n_in; i += Step::depth) {
            alignas(16) int8_t high[8], low[8];
            for (int64_t j = 0; j < Step::depth; j += 4) {
                const int32x4_t a = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(row + i + j), inverse));
                const int32x4_t h = vrshrq_n_s32(a, 7), l = vsubq_s32(a, vshlq_n_s32(h, 7));
                const int8x8_t both = vmovn_s16(vcombine_s16(vmovn_s32(h), vmovn_s32(l)));
                vst1_lane_s32(reinterpret_cast<int32_t *>(high + j), vreinterpret_s32_s8(both), 0);
                vst1_lane_s32(reinterpret_cast<int32_t *>(low + j), vreinterpret_s32_s8(both), 1);
            }
            int8_t * target =
                bytes + i / q8_block * 2 * q8_block * token_tile + i % q8_block * token_tile + r * Step::depth;
            std::memcpy(target, high, Step::depth);
            std::memcpy(target + q8_block * token_tile, low, Step::depth);
        }
    }
}

template <typename Step>
void widen_bytes(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    auto * target = reinterpret_cast<uint8_t *>(out);
    for (int64_t block = 0; block < n_blocks; ++block, blocks += q8_block_bytes, target += byte_block) {
        auto * multipliers = reinterpret_cast<float *>(target);
        for (int64_t i = 0; i < output_tile; i += 4) {
            const int16x4_t m = vreinterpret_s16_u8(vld1_u8(blocks + i * 2));
            vst1q_f32(multipliers + i, vmulq_n_f32(vcvtq_f32_s32(vmovl_s16(m)), 1.0f / 128));
        }
        Step::order(reinterpret_cast<const int16_t *>(blocks + output_tile * 2),
                    reinterpret_cast<int16_t *>(target + output_tile * 4));
    }
}

/// A function, since Clang's vshlq_n_s32 is a macro that takes no pack.
inline int32x4_t times_128(int32x4_t x) {
    return vshlq_n_s32(x, 7);
}

template <typename Step, int... I>
inline void half_product(std::integer_sequence<int, I...>, int64_t n_rows, int64_t n_blocks, const int8_t * a,
                         const uint8_t * b, int64_t first_output, const float * output_scales,
                         const float * token_scales, float * c, int64_t ldc, bool accumulate, const Outputs & outputs) {
    float32x4_t totals[n_sums] = {((void)I, vdupq_n_f32(0.0f))...};
    for (int64_t block = 0; block < n_blocks; ++block, b += byte_block) {
        const auto * weights = reinterpret_cast<const int8_t *>(b + output_tile * 4) + first_output * Step::depth;
        int32x4_t sums[n_sums] = {((void)I, vdupq_n_s32(0))...};
        for (int pass = 0; pass < 2; ++pass) {  // the activations' high bytes, then their low ones
            ((sums[I] = times_128(sums[I])), ...);
            const int8_t * w = weights;
#pragma GCC unroll 1  // unrolled, its loads move ahead until sums go to the stack
            for (int64_t i = 0; i < q8_block; i += Step::depth) {
                const typename Step::Weights operand(w);
                const typename Step::Tokens x(a);
                ((sums[I] = Step::template multiply_add<I>(sums[I], operand, x)), ...);
                w += output_tile * Step::depth;
                a += token_tile * Step::depth;
            }
        }
        const typename Step::Multipliers m(reinterpret_cast<const float *>(b) + first_output);
        ((totals[I] = vfmaq_f32(totals[I], vcvtq_f32_s32(sums[I]), m.of(I))), ...);
    }
    float results[token_tile * half_tile];
    Step::store(totals, results);
    for (int64_t r = 0; r < n_rows; ++r) {
        for (int64_t j = 0; j < half_tile; j += 4) {
            const int64_t column = first_output + j;
            const float32x4_t scale = vmulq_n_f32(vld1q_f32(output_scales + column), token_scales[r]);
            const float32x4_t value = vmulq_f32(vld1q_f32(results + r * half_tile + j), scale);
            leave(outputs, r, column, accumulate ? vaddq_f32(value, vld1q_f32(c + r * ldc + column)) : value);
        }
    }
}

template <typename Step>
void product_bytes(int64_t n_rows, int64_t /*n_tiles*/, int64_t k, const int32_t * a, const int16_t * b,
                   int64_t /*next*/, const float * output_scales, const float * token_scales, float * c, int64_t ldc,
                   bool accumulate, const Outputs * outputs, const Ahead & /*ahead*/) {
    const Outputs to = outputs_or(outputs, c, ldc);
    for (int64_t first = 0; first < output_tile; first += half_tile) {
        half_product<Step>(std::make_integer_sequence<int, n_sums>(), n_rows, k / q8_block,
                           reinterpret_cast<const int8_t *>(a), reinterpret_cast<const uint8_t *>(b), first,
                           output_scales, token_scales, c, ldc, accumulate, to);
    }
}

}  // namespace altclip::neon

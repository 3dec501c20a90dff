#if defined(__aarch64__) || defined(_M_ARM64)

#include "kernels/neon_widen.h"

#include <arm_neon.h>

#include "kernels/kernels.h"

namespace altclip::neon {

namespace {

/// Numbers of 16 outputs, each twice: once for each input of a pair.
struct Numbers {
    int16x8_t v[4];
};

inline Numbers load_numbers(const uint8_t * p) {
    const int16x8_t low = vreinterpretq_s16_u8(vld1q_u8(p)), high = vreinterpretq_s16_u8(vld1q_u8(p + 16));
    return {{vzip1q_s16(low, low), vzip2q_s16(low, low), vzip1q_s16(high, high), vzip2q_s16(high, high)}};
}

/// `n_bits` bits of every word, from bit `first` on.
inline uint16x8_t bits(uint16x8_t words, int first, int n_bits) {
    return vandq_u16(vshlq_u16(words, vdupq_n_s16(static_cast<int16_t>(-first))),
                     vdupq_n_u16(static_cast<uint16_t>((1 << n_bits) - 1)));
}

/// Eight groups of four vectors of 16 numbers, each two registers; to_integers(half, q, number) makes those of the
/// first or the last four groups, with a number's register.
template <int n_high, typename ToIntegers>
inline void widen_block(const uint8_t * q, const ToIntegers & to_integers, int16_t * out) {
    const auto * low = reinterpret_cast<const uint16_t *>(q);
    for (int group = 0; group < 8; ++group) {
        for (int half = 0; half < 2; ++half) {
            const uint16x8_t words = vld1q_u16(low + group * 16 + half * 8);
            for (int vector = 0; vector < 4; ++vector) {
                uint16x8_t value = bits(words, vector * 4, 4);
                if constexpr (n_high > 0) {
                    constexpr int n_groups = 4 / n_high;
                    const uint16x8_t high = vld1q_u16(low + (8 + group / n_groups) * 16 + half * 8);
                    const int first = (group % n_groups * 4 + vector) * n_high;
                    value = vorrq_u16(value, vshlq_n_u16(bits(high, first, n_high), 4));
                }
                vst1q_s16(out + (group * 4 + vector) * 16 + half * 8,
                          to_integers(group / 4, value, vector % 2 * 2 + half));
            }
        }
    }
}

/// Blocks that have a multiplier, or one for each half.
template <int n_high, int64_t n_multipliers, int64_t block_bytes>
inline void widen_scaled(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    for (int64_t block = 0; block < n_blocks; ++block, blocks += block_bytes, out += 32 * output_tile) {
        const Numbers m[2] = {load_numbers(blocks), load_numbers(blocks + (n_multipliers - 1) * output_tile * 2)};
        const auto to_integers = [&](int half, uint16x8_t q, int number) {
            const uint16x8_t top = veorq_u16(vshlq_n_u16(q, 12 - n_high), vdupq_n_u16(0x8000));
            return vqrdmulhq_s16(vreinterpretq_s16_u16(top), m[half].v[number]);
        };
        widen_block<n_high>(blocks + n_multipliers * output_tile * 2, to_integers, out);
    }
}

/// Blocks with a scale and a minimum.
template <int n_high, int64_t block_bytes>
inline void widen_with_minimum(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    for (int64_t block = 0; block < n_blocks; ++block, blocks += block_bytes, out += 32 * output_tile) {
        const Numbers scale = load_numbers(blocks), minimum = load_numbers(blocks + output_tile * 2);
        const auto to_integers = [&](int, uint16x8_t q, int number) {
            static_assert(low_bits_unit == 4, "the shift");
            return vrshrq_n_s16(vsubq_s16(vmulq_s16(vreinterpretq_s16_u16(q), scale.v[number]), minimum.v[number]), 2);
        };
        widen_block<n_high>(blocks + output_tile * 4, to_integers, out);
    }
}

}  // namespace

void float_bf16(const uint16_t * x, int64_t n_pairs, float * out) {
    const uint32x4_t upper = vdupq_n_u32(0xffff0000);
    for (int64_t i = 0; i < n_pairs; ++i, out += 2 * output_tile) {
        for (int64_t j = 0; j < output_tile; j += 4, x += 8) {
            const uint32x4_t pairs = vreinterpretq_u32_u16(vld1q_u16(x));
            vst1q_f32(out + j, vreinterpretq_f32_u32(vshlq_n_u32(pairs, 16)));
            vst1q_f32(out + output_tile + j, vreinterpretq_f32_u32(vandq_u32(pairs, upper)));
        }
    }
}

void widen_q8(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    for (int64_t block = 0; block < n_blocks; ++block, blocks += q8_block_bytes) {
        const Numbers multipliers = load_numbers(blocks);
        const auto * q = reinterpret_cast<const int8_t *>(blocks + output_tile * 2);
        for (int64_t i = 0; i < q8_block / 2; ++i) {
            for (const int16x8_t multiplier : multipliers.v) {
                vst1q_s16(out, vqrdmulhq_s16(vshll_n_s8(vld1_s8(q), 8), multiplier));
                q += 8;
                out += 8;
            }
        }
    }
}

void widen_q4_0(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    widen_scaled<0, 1, q4_0_block_bytes>(blocks, n_blocks, out);
}

void widen_q4_k(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    widen_with_minimum<0, q4_k_block_bytes>(blocks, n_blocks, out);
}

void widen_q5_k(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    widen_with_minimum<1, q5_k_block_bytes>(blocks, n_blocks, out);
}

void widen_q6_k(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    widen_scaled<2, 2, q6_k_block_bytes>(blocks, n_blocks, out);
}

void float_i16(const int16_t * x, int64_t n_pairs, const float * output_scales, float * out) {
    for (int64_t i = 0; i < n_pairs; ++i, out += 2 * output_tile) {
        for (int64_t j = 0; j < output_tile; j += 8, x += 16) {
            const int16x8x2_t pair = vld2q_s16(x);
            const float32x4_t scale0 = vld1q_f32(output_scales + j), scale1 = vld1q_f32(output_scales + j + 4);
            for (int64_t input = 0; input < 2; ++input) {
                const int16x8_t v = pair.val[input];
                float * y = out + input * output_tile + j;
                vst1q_f32(y, vmulq_f32(vcvtq_f32_s32(vmovl_s16(vget_low_s16(v))), scale0));
                vst1q_f32(y + 4, vmulq_f32(vcvtq_f32_s32(vmovl_high_s16(v)), scale1));
            }
        }
    }
}

}  // namespace altclip::neon

#endif

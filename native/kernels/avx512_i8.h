// What packing, widening and products with 8-bit activations agree on.
//
// vpdpbusd multiplies unsigned bytes (activations x) by signed ones (weights v) and adds fours of them. A part of the
// inputs is what has one multiplier m (int16): of q6_K half a block of 32 inputs, of q8_0 a block; of types of fewer
// bits two blocks, the next but one to each other, whose values become the bytes that lie nearest to them.
//
//   w x = token_scale * output_scale / 4 * (sum of the parts' m * S / 32 + token_centre * W)
//
// with S the sum of v x over a part (of two blocks S / 64) and W the sum of the run's weights. All of it are integers,
// and a run's fit 32 bits: a weight has 14 bits, but for what bytes add, and 2 behind the point, x and the centre have
// 255 steps.
//
// Shifting and packing have ports of their own, multiplying has not: two parts lie side by side in a vector, words of
// eight outputs in turn, so that the sums of two vectors, S / 32 in 16 bits, are the parts' pairs of all 16 outputs,
// which vpdpwssd multiplies by their two multipliers and adds. Of a run of 128 inputs, beside 32 vpdpbusd there are
// four, two or one of those, one for the centre, and a multiply-add for the token's scale.
//
// A run's activations are token_scale * (token_centre + x), with a centre of whole steps, -255 to -1: -128 where they
// reach as far on either side of zero, -1 where all are above, so that numbers of one sign (what GELU leaves) or a
// single outlier have all eight bits.
#pragma once

#include <cstdint>

#include "kernels/kernels.h"

namespace altclip::avx512 {

/// Rows [token_tile][2] of words of a run of activations.
enum I8Row : int64_t {
    i8_values = 0,  // 16: x of four inputs of two blocks (uint8); eight rows a pair of blocks
    i8_token = 16   // 1: scale (f32); 128 centre, centre (int16)
};
static_assert(2 * (i8_token + 1) == i8_run_words, "whole runs");

/// A run of an output tile's weights: where each begins, in bytes.
inline constexpr int64_t i8_multipliers = 0;   // 4, 2 or 1: m of two parts [output_tile][2] (int16)
inline constexpr int64_t i8_weight_sum = 256;  // 1: high and low of W = 128 high + low [output_tile][2] (int16)
inline constexpr int64_t i8_weights = 320;     // 32: v of four inputs of two blocks [8 outputs][2][4]
inline constexpr int64_t i8_run_bytes = i8_weights + i8_run * output_tile;
static_assert(i8_run_bytes <= i8_run * output_tile * int64_t{sizeof(int16_t)}, "no more than 16-bit integers");

/// What a part's sum S is shifted by, so that it fits 16 bits.
template <int part_inputs>
inline constexpr int i8_shift = part_inputs == 64 ? 6 : 5;

void pack_i8(const float * x, int64_t ld, int64_t n_rows, int64_t n_in, int32_t * out);
void widen_q8_0_i8(const uint8_t * blocks, int64_t n_blocks, int16_t * out);
void widen_q4_0_i8(const uint8_t * blocks, int64_t n_blocks, int16_t * out);
void widen_q4_k_i8(const uint8_t * blocks, int64_t n_blocks, int16_t * out);
void widen_q5_k_i8(const uint8_t * blocks, int64_t n_blocks, int16_t * out);
void widen_q6_k_i8(const uint8_t * blocks, int64_t n_blocks, int16_t * out);
/// The same where the CPU has VBMI.
void widen_q4_0_i8_vbmi(const uint8_t * blocks, int64_t n_blocks, int16_t * out);
void widen_q4_k_i8_vbmi(const uint8_t * blocks, int64_t n_blocks, int16_t * out);

/// Products of weights with a multiplier for 16, 32 or 64 inputs.
template <int part_inputs>
void product_i8(int64_t n_rows, int64_t n_tiles, int64_t n_runs, const int32_t * a, const int16_t * b, int64_t next,
                const float * output_scales, float * c, int64_t ldc, bool accumulate, const Outputs * outputs,
                const Ahead & ahead);

}  // namespace altclip::avx512

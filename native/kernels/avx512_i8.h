// What packing, widening and products with 8-bit activations agree on.
//
// vpdpbusd multiplies unsigned bytes (weights) by signed ones (activations) and adds fours of them. Every quantised
// type becomes unsigned bytes u that stand for v = u - 128; a sum begins with what takes the 128 off again. A part of
// the inputs is what has one multiplier m (int16), a block of 32 or half of one (q6_K):
//
//   w x = token_scale * output_scale / 8 * (sum of the parts' m * S / 16 + sum of the blocks' 2 minimum * X
//                                           + token_centre * W)
//
// with S the sum of v x over a part and X that of x over a block. All of it are integers, and a run's fit 32 bits: a
// weight has 14 bits and 3 behind the point, x and the centre together 255 steps either way.
//
// Shifting and packing have ports of their own, multiplying has not: two parts lie side by side in a vector, words of
// eight outputs in turn, so that the sums of two vectors, S / 16 in 16 bits, are the parts' pairs of all 16 outputs,
// which vpdpwssd multiplies by their two multipliers and adds. Of a run of 128 inputs, beside 32 vpdpbusd there are two
// of those (q6_K: four), one for the centre, two more with minimums, and a multiply-add for the token's scale.
//
// A run's activations are token_scale * (token_centre + x), with the centre, whole steps and 127 at most, between the
// smallest and the largest unless those are both far from zero, so that numbers of one sign (what GELU leaves) or a
// single outlier have the eighth bit too; the centre meets W, the sum of the run's weights.
#pragma once

#include <cstdint>

#include "kernels/kernels.h"

namespace altclip::avx512 {

/// Rows [token_tile][2] of words of a run of activations; a pair's are those of two blocks.
enum I8Row : int64_t {
    i8_values = 0,         // 16: x of four inputs (int8); eight rows a pair of blocks
    i8_block_starts = 16,  // 2: -128 X, and what rounds a sum's sixteenth: halves up in one block, down in the other
    i8_half_starts = 18,   // 4: the same of the first half of two blocks, then of the second
    i8_input_sums = 22,    // 1: 2 X of two blocks (int16), of two blocks
    i8_token = 23          // 1: scale (f32); 256 centre, centre (int16)
};
static_assert(2 * (i8_token + 1) == i8_run_words, "whole runs");

/// A run of an output tile's weights: where each begins, in bytes.
inline constexpr int64_t i8_multipliers = 0;   // 2, or 4 for halves: m of two parts [output_tile][2] (int16)
inline constexpr int64_t i8_minimums = 256;    // 2: of two blocks [output_tile][2] (int16), where the type has them
inline constexpr int64_t i8_weight_sum = 384;  // 1: high and low of W = 256 high + low [output_tile][2] (int16)
inline constexpr int64_t i8_weights = 448;     // 32: u of four inputs of two blocks [8 outputs][2][4]
inline constexpr int64_t i8_run_bytes = i8_weights + i8_run * output_tile;
static_assert(i8_run_bytes <= i8_run * output_tile * int64_t{sizeof(int16_t)}, "no more than 16-bit integers");

void pack_i8(const float * x, int64_t ld, int64_t n_rows, int64_t n_in, int32_t * out);
void widen_q8_0_i8(const uint8_t * blocks, int64_t n_blocks, int16_t * out);
void widen_q4_0_i8(const uint8_t * blocks, int64_t n_blocks, int16_t * out);
void widen_q4_k_i8(const uint8_t * blocks, int64_t n_blocks, int16_t * out);
void widen_q5_k_i8(const uint8_t * blocks, int64_t n_blocks, int16_t * out);
void widen_q6_k_i8(const uint8_t * blocks, int64_t n_blocks, int16_t * out);

/// What has a multiplier, and whether blocks have minimums.
enum class Parts { blocks, blocks_with_minimum, halves };
template <Parts parts>
inline constexpr int block_parts = parts == Parts::halves ? 2 : 1;

template <Parts parts>
void product_i8(int64_t n_rows, int64_t n_tiles, int64_t n_runs, const int32_t * a, const int16_t * b, int64_t next,
                const float * output_scales, float * c, int64_t ldc, bool accumulate, const Outputs * outputs,
                const Ahead & ahead);

}  // namespace altclip::avx512

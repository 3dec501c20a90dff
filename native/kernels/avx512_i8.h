// What packing, widening and products with 8-bit activations agree on.
//
// vpdpbusd multiplies unsigned bytes (weights) by signed ones (activations): four inputs of 16 outputs with those of
// one token. Every quantised type becomes unsigned bytes u that stand for u - 128; a sum begins with what takes the 128
// off again. A part of the inputs is what has one multiplier, a block of 32 inputs or half of one (q6_K):
//
//   w x = token_scale * output_scale / 4 * (sum of the parts' multiplier * S + sum of the blocks' minimum * X
//                                           + token_centre * W)
//
// with S the sum of (u - 128) x over a part and X that of x over a block, in integers. Of a run of 128 inputs, beside
// 32 vpdpbusd there are four multiply-adds (q6_K: eight) of parts, one of the token's scale and one of its centre.
//
// A run's activations are token_scale * (token_centre + x), with the centre in the middle of the smallest and the
// largest, so that numbers of one sign (what GELU leaves) or a single outlier have the eighth bit too; the centre meets
// W, the sum of the run's weights.
#pragma once

#include <cstdint>

#include "kernels/kernels.h"

namespace altclip::avx512 {

/// Rows of [token_tile] words of a run of activations.
enum I8Row : int64_t {
    i8_values = 0,         // 32: x of four inputs (int8)
    i8_block_starts = 32,  // 4: -128 X
    i8_half_starts = 36,   // 8: the same of half blocks
    i8_input_sums = 44,    // 2: X of two blocks (int16)
    i8_token_scale = 46,   // 1: f32
    i8_token_centre = 47   // 1: f32, in units of the scale
};
static_assert(i8_token_centre + 1 == i8_run_words, "whole runs");

/// A run of an output tile's weights: where each begins, in bytes.
inline constexpr int64_t i8_multipliers = 0;   // 4, or 8 for halves: of a part [output_tile] (f32)
inline constexpr int64_t i8_minimums = 256;    // 2: of two blocks [output_tile][2] (int16), where the type has them
inline constexpr int64_t i8_weight_sum = 512;  // 1: W [output_tile] (f32)
inline constexpr int64_t i8_weights = 576;     // 32: u of four inputs [output_tile][4]
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
                const float * output_scales, float * c, int64_t ldc, bool accumulate, const Ahead & ahead);

}  // namespace altclip::avx512

// The NEON table, which those with more instructions build on. See kernels.h.
#pragma once

#include <arm_neon.h>

#include "kernels/kernels.h"
#include "kernels/neon_rows.h"
#include "kernels/neon_widen.h"

namespace altclip::neon {

inline constexpr int64_t input_block = 512;  // 32 kB of widened f32

/// Four sums of token r from output `column` on to their outputs.
inline void leave(const Outputs & outputs, int64_t r, int64_t column, float32x4_t sums) {
    if (outputs.bias) sums = vaddq_f32(sums, vld1q_f32(outputs.bias + column));
    if (outputs.residual) sums = vaddq_f32(sums, vld1q_f32(outputs.residual + r * outputs.ld_residual + column));
    vst1q_f32(outputs.y + r * outputs.ld + column, sums);
}

void product_f32(int64_t n_rows, int64_t n_tiles, int64_t k, const float * a, const float * b, int64_t ldb,
                 int64_t next, float * c, int64_t ldc, bool accumulate, const Outputs * outputs, const Ahead & ahead);

constexpr KernelTable table() {
    KernelTable t{};
    t.token_tile = token_tile;
    t.output_tiles = 1;
    t.input_block = input_block;
    t.pack_f32 = pack_f32;
    t.tile_of_rows = tile_of_rows;
    t.widen_q8 = widen_q8;
    t.widen_q4_0 = widen_q4_0;
    t.widen_q4_k = widen_q4_k;
    t.widen_q5_k = widen_q5_k;
    t.widen_q6_k = widen_q6_k;
    t.product_f32 = product_f32;
    t.float_i16 = float_i16;
    t.float_bf16 = float_bf16;
    t.finish = finish;
    t.layer_norm = layer_norm;
    t.softmax = softmax;
    return t;
}

}  // namespace altclip::neon

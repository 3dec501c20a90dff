// Weights of the AVX2 table to what the products take: f32 or 14-bit integers. See kernels.h.
#pragma once

#include <cstdint>

namespace altclip::avx2 {

void widen_bf16(const uint16_t * x, int64_t n_pairs, const float * output_scales, int16_t * out);
void widen_q8(const uint8_t * blocks, int64_t n_blocks, int16_t * out);
void widen_q4_0(const uint8_t * blocks, int64_t n_blocks, int16_t * out);
void widen_q4_k(const uint8_t * blocks, int64_t n_blocks, int16_t * out);
void widen_q5_k(const uint8_t * blocks, int64_t n_blocks, int16_t * out);
void widen_q6_k(const uint8_t * blocks, int64_t n_blocks, int16_t * out);

}  // namespace altclip::avx2

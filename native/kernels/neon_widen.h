// Weights of the NEON tables to what the products take: f32, or 14-bit integers on the way there. See kernels.h.
#pragma once

#include <cstdint>

namespace altclip::neon {

void float_bf16(const uint16_t * x, int64_t n_pairs, float * out);
void widen_q8(const uint8_t * blocks, int64_t n_blocks, int16_t * out);
void widen_q4_0(const uint8_t * blocks, int64_t n_blocks, int16_t * out);
void widen_q4_k(const uint8_t * blocks, int64_t n_blocks, int16_t * out);
void widen_q5_k(const uint8_t * blocks, int64_t n_blocks, int16_t * out);
void widen_q6_k(const uint8_t * blocks, int64_t n_blocks, int16_t * out);
void float_i16(const int16_t * x, int64_t n_pairs, const float * output_scales, float * out);

}  // namespace altclip::neon

// What the tables with more than AVX-512's foundation share with its own. See kernels.h.
#pragma once

#include <cstdint>

namespace altclip::avx512 {

void product_f32(int64_t n_rows, int64_t n_tiles, int64_t k, const float * a, const float * b, int64_t ldb,
                 int64_t next, float * c, int64_t ldc, bool accumulate);
void widen_f16(const uint16_t * x, int64_t n, float * out);
void widen_bf16(const uint16_t * x, int64_t n, float * out);
void widen_q8(const uint8_t * blocks, int64_t n_blocks, int16_t * out);

/// With vpdpwssd, which multiplies and adds in one instruction.
void product_i16_vnni(int64_t n_rows, int64_t n_tiles, int64_t k, const int32_t * a, const int16_t * b, int64_t next,
                      const float * output_scales, const float * token_scales, float * c, int64_t ldc, bool accumulate);

}  // namespace altclip::avx512

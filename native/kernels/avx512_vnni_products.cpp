// The AVX-512 table with VNNI: integer products in one instruction, in the same exact format.
#if defined(__x86_64__) || defined(_M_X64)

#include "kernels/avx512_products.h"

#include "kernels/avx512_integers.h"

namespace altclip {

namespace avx512 {

void product_i16_vnni(int64_t n_rows, int64_t n_tiles, int64_t k, const int32_t * a, const int16_t * b, int64_t next,
                      const float * output_scales, float * c, int64_t ldc, bool accumulate, const Outputs * outputs,
                      const Ahead & ahead) {
    const auto multiply_add = [](__m512i sum, __m512i x, __m512i w) { return _mm512_dpwssd_epi32(sum, x, w); };
    product_i16(multiply_add, n_rows, n_tiles, k, a, b, next, output_scales, c, ldc, accumulate, outputs, ahead);
}

}  // namespace avx512

constexpr KernelTable avx512_vnni_kernels = avx512::vnni_table();

}  // namespace altclip

#endif

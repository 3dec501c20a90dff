// The AVX-512 table (F, BW, DQ, VL), its products.
#if defined(__x86_64__) || defined(_M_X64)

#include "kernels/avx512_products.h"

#include "kernels/avx512_integers.h"

namespace altclip {

namespace avx512 {

namespace {

struct FloatStep {
    using Token = float;
    using Weight = float;
    static constexpr bool goes_on = false;
    static __m512 load(const float * b) { return _mm512_loadu_ps(b); }
    static __m512 broadcast(const float * a) { return _mm512_set1_ps(*a); }
    static __m512 multiply_add(__m512 sum, __m512 a, __m512 b) { return _mm512_fmadd_ps(a, b, sum); }
};

}  // namespace

void product_f32(int64_t n_rows, int64_t n_tiles, int64_t k, const float * a, const float * b, int64_t ldb,
                 int64_t next, float * c, int64_t ldc, bool accumulate, const Outputs * outputs, const Ahead & ahead) {
    product<FloatStep>(n_rows, n_tiles, k, a, b, ldb, next, c, ldc, accumulate, outputs, ahead);
}

void product_i16_madd(int64_t n_rows, int64_t n_tiles, int64_t k, const int32_t * a, const int16_t * b, int64_t next,
                      const float * output_scales, float * c, int64_t ldc, bool accumulate, const Outputs * outputs,
                      const Ahead & ahead) {
    const auto multiply_add = [](__m512i sum, __m512i x, __m512i w) {
        sum = _mm512_add_epi32(sum, _mm512_madd_epi16(x, w));
#if defined(__GNUC__) && !defined(ALTCLIP_SIMDE)
        __asm__("" : "+v"(sum));  // GCC reorders the sums into spills otherwise
#endif
        return sum;
    };
    product_i16(multiply_add, n_rows, n_tiles, k, a, b, next, output_scales, c, ldc, accumulate, outputs, ahead);
}

}  // namespace avx512

constexpr KernelTable avx512_kernels = avx512::table();

}  // namespace altclip

#endif

// The AVX-512 table (F, BW, DQ, VL): products, weights widened.
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

void widen_bf16(const uint16_t * x, int64_t n_pairs, const float * output_scales, int16_t * out) {
    const __m512 scales = _mm512_loadu_ps(output_scales);
    const __mmask16 positive = _mm512_cmp_ps_mask(scales, _mm512_setzero_ps(), _CMP_GT_OQ);
    const __m512 inverse = _mm512_maskz_div_ps(positive, _mm512_set1_ps(1.0f), scales);
    const auto integers = [inverse](__m512i bits) {
        return _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_castsi512_ps(bits), inverse));
    };
    for (int64_t i = 0; i < n_pairs; ++i, x += 2 * output_tile, out += 2 * output_tile) {
        const __m512i pairs = _mm512_loadu_si512(x);
        const __m512i first = integers(_mm512_slli_epi32(pairs, 16));
        const __m512i second = integers(_mm512_maskz_mov_epi16(0xaaaaaaaa, pairs));
        _mm512_storeu_si512(out, _mm512_mask_blend_epi16(0xaaaaaaaa, first, _mm512_slli_epi32(second, 16)));
    }
}

void widen_q8(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    for (int64_t block = 0; block < n_blocks; ++block, blocks += q8_block_bytes) {
        // each output's multiplier twice: once for each input of a pair
        __m512i multipliers = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(blocks)));
        multipliers = _mm512_or_si512(multipliers, _mm512_slli_epi32(multipliers, 16));
        const auto * q = reinterpret_cast<const __m256i *>(blocks + output_tile * 2);
        for (int64_t i = 0; i < q8_block / 2; ++i, ++q, out += 2 * output_tile) {
            const __m512i high_bytes = _mm512_slli_epi16(_mm512_cvtepi8_epi16(_mm256_loadu_si256(q)), 8);
            _mm512_storeu_si512(out, _mm512_mulhrs_epi16(high_bytes, multipliers));
        }
    }
}

}  // namespace avx512

constexpr KernelTable avx512_kernels = avx512::table();

}  // namespace altclip

#endif

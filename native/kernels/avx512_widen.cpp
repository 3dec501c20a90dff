// Weights as 16-bit integers for the AVX-512 tables: see kernels.h for how they lie in memory.
#if defined(__x86_64__) || defined(_M_X64)

#include "kernels/avx512_low_bits.h"
#include "kernels/avx512_products.h"

namespace altclip::avx512 {

namespace {

/// Numbers of 16 outputs, each twice: once for each input of a pair.
__m512i load_numbers(const uint8_t * p) {
    const __m512i numbers = _mm512_cvtepu16_epi32(load_256(p));
    return _mm512_or_si512(numbers, _mm512_slli_epi32(numbers, 16));
}

/// Blocks of values of 4 + n_high bits that have a multiplier, or one for each half.
template <int n_high, int64_t n_multipliers>
void widen_scaled(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    constexpr int64_t block_bytes = low_bits_block_bytes(n_multipliers, 4 + n_high);
    for (int64_t block = 0; block < n_blocks; ++block, blocks += block_bytes) {
        const uint8_t * q = blocks + n_multipliers * output_tile * 2;
        for (int half = 0; half < 2; ++half) {
            const __m512i numbers = load_numbers(blocks + half * (n_multipliers - 1) * output_tile * 2);
            const __m256i multipliers[2] = {_mm512_castsi512_si256(numbers), _mm512_extracti64x4_epi64(numbers, 1)};
#pragma GCC unroll 16
            for (int i = 0; i < 16; ++i, out += output_tile) {
                const __m256i v = at_top<n_high>(q, half * 4 + i / 4, i % 4);
                _mm256_storeu_si256(reinterpret_cast<__m256i *>(out), _mm256_mulhrs_epi16(v, multipliers[i % 2]));
            }
        }
    }
}

}  // namespace

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
        const __m512i multipliers = load_numbers(blocks);
        const auto * q = reinterpret_cast<const __m256i *>(blocks + output_tile * 2);
        for (int64_t i = 0; i < q8_block / 2; ++i, ++q, out += 2 * output_tile) {
            const __m512i high_bytes = _mm512_slli_epi16(_mm512_cvtepi8_epi16(_mm256_loadu_si256(q)), 8);
            _mm512_storeu_si512(out, _mm512_mulhrs_epi16(high_bytes, multipliers));
        }
    }
}

void widen_q4_0(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    widen_scaled<0, 1>(blocks, n_blocks, out);
}

void widen_q6_k(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    widen_scaled<2, 2>(blocks, n_blocks, out);
}

}  // namespace altclip::avx512

#endif

#if defined(__x86_64__) || defined(_M_X64)

#include "kernels/avx2_widen.h"

#include <immintrin.h>

#include "kernels/kernels.h"

namespace altclip::avx2 {

namespace {

/// Numbers of outputs 0 to 7 and of 8 to 15, each twice: once for each input of a pair.
struct Numbers {
    __m256i low, high;
};

inline Numbers load_numbers(const uint8_t * p) {
    const __m256i m = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(p));
    const auto twice = [](__m128i half) {
        const __m256i wide = _mm256_cvtepu16_epi32(half);
        return _mm256_or_si256(wide, _mm256_slli_epi32(wide, 16));
    };
    return {twice(_mm256_castsi256_si128(m)), twice(_mm256_extracti128_si256(m, 1))};
}

/// Four vectors (two pairs of inputs by 16 outputs): their low nibbles in `words`, `n_high` higher bits of each from
/// bit 0 of `high` on.
template <int n_high, typename ToIntegers>
inline void widen_group(__m256i words, __m256i high, const ToIntegers & to_integers, int16_t * out) {
    const __m256i nibble = _mm256_set1_epi16(15), mask = _mm256_set1_epi16(((1 << n_high) - 1) << 4);
    const auto store = [&](__m256i q, __m256i upper, int64_t vector) {
        if constexpr (n_high > 0) q = _mm256_or_si256(q, _mm256_and_si256(upper, mask));
        _mm256_store_si256(reinterpret_cast<__m256i *>(out + vector * 16), to_integers(q, vector % 2 == 0));
    };
    store(_mm256_and_si256(words, nibble), _mm256_slli_epi16(high, 4), 0);
    store(_mm256_and_si256(_mm256_srli_epi16(words, 4), nibble), _mm256_slli_epi16(high, 4 - n_high), 1);
    store(_mm256_and_si256(_mm256_srli_epi16(words, 8), nibble), n_high == 1 ? _mm256_slli_epi16(high, 2) : high, 2);
    store(_mm256_srli_epi16(words, 12), n_high == 1 ? _mm256_slli_epi16(high, 1) : _mm256_srli_epi16(high, 2), 3);
}

/// Eight groups; to_integers(half, q, low) makes those of the first or the last four, of outputs 0 to 7 if `low`.
template <int n_high, typename ToIntegers>
inline void widen_block(const uint8_t * q, const ToIntegers & to_integers, int16_t * out) {
    const auto * low = reinterpret_cast<const __m256i *>(q);
    const __m256i * upper = low + 8;
    __m256i high = _mm256_setzero_si256();
    for (int group = 0; group < 8; ++group, out += 64) {
        if constexpr (n_high > 0) {
            constexpr int n_groups = 4 / n_high;
            high = group % n_groups == 0 ? _mm256_loadu_si256(upper++) : _mm256_srli_epi16(high, 4 * n_high);
        }
        widen_group<n_high>(
            _mm256_loadu_si256(low + group), high,
            [&](__m256i value, bool is_low) { return to_integers(group / 4, value, is_low); }, out);
    }
}

/// Blocks that have a multiplier, or one for each half.
template <int n_high, int64_t n_multipliers, int64_t block_bytes>
inline void widen_scaled(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    const __m256i sign = _mm256_set1_epi16(INT16_MIN);
    for (int64_t block = 0; block < n_blocks; ++block, blocks += block_bytes, out += 32 * output_tile) {
        const Numbers m[2] = {load_numbers(blocks), load_numbers(blocks + (n_multipliers - 1) * output_tile * 2)};
        const auto to_integers = [&](int half, __m256i q, bool is_low) {
            const __m256i top = _mm256_xor_si256(_mm256_slli_epi16(q, 12 - n_high), sign);
            return _mm256_mulhrs_epi16(top, is_low ? m[half].low : m[half].high);
        };
        widen_block<n_high>(blocks + n_multipliers * output_tile * 2, to_integers, out);
    }
}

/// Blocks with a scale and a minimum.
template <int n_high, int64_t block_bytes>
inline void widen_with_minimum(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    const __m256i unit = _mm256_set1_epi16((1 << 15) / low_bits_unit);
    for (int64_t block = 0; block < n_blocks; ++block, blocks += block_bytes, out += 32 * output_tile) {
        const Numbers scale = load_numbers(blocks), minimum = load_numbers(blocks + output_tile * 2);
        const auto to_integers = [&](int, __m256i q, bool is_low) {
            const __m256i value = _mm256_sub_epi16(_mm256_mullo_epi16(q, is_low ? scale.low : scale.high),
                                                   is_low ? minimum.low : minimum.high);
            return _mm256_mulhrs_epi16(value, unit);
        };
        widen_block<n_high>(blocks + output_tile * 4, to_integers, out);
    }
}

}  // namespace

void widen_bf16(const uint16_t * x, int64_t n_pairs, const float * output_scales, int16_t * out) {
    const __m256 zero = _mm256_setzero_ps();
    const auto inverse = [&](const float * p) {
        const __m256 scales = _mm256_loadu_ps(p);
        return _mm256_and_ps(_mm256_div_ps(_mm256_set1_ps(1.0f), scales), _mm256_cmp_ps(scales, zero, _CMP_GT_OQ));
    };
    const auto integers = [](__m256i bits, __m256 factor) {
        return _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_castsi256_ps(bits), factor));
    };
    const __m256 inverses[2] = {inverse(output_scales), inverse(output_scales + 8)};
    for (int64_t i = 0; i < 2 * n_pairs; ++i, x += 16, out += 16) {
        const __m256i pairs = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(x));
        const __m256i first = integers(_mm256_slli_epi32(pairs, 16), inverses[i % 2]);
        const __m256i second = integers(_mm256_blend_epi16(_mm256_setzero_si256(), pairs, 0xaa), inverses[i % 2]);
        _mm256_store_si256(reinterpret_cast<__m256i *>(out),
                           _mm256_blend_epi16(first, _mm256_slli_epi32(second, 16), 0xaa));
    }
}

void widen_q8(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    for (int64_t block = 0; block < n_blocks; ++block, blocks += q8_block_bytes) {
        const auto [low, high] = load_numbers(blocks);
        const auto * q = reinterpret_cast<const __m128i *>(blocks + output_tile * 2);
        const auto scaled = [](__m128i bytes, __m256i multiplier) {
            return _mm256_mulhrs_epi16(_mm256_slli_epi16(_mm256_cvtepi8_epi16(bytes), 8), multiplier);
        };
        for (int64_t i = 0; i < q8_block / 2; ++i, q += 2, out += 2 * output_tile) {
            _mm256_store_si256(reinterpret_cast<__m256i *>(out), scaled(_mm_loadu_si128(q), low));
            _mm256_store_si256(reinterpret_cast<__m256i *>(out + output_tile), scaled(_mm_loadu_si128(q + 1), high));
        }
    }
}

void widen_q4_0(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    widen_scaled<0, 1, q4_0_block_bytes>(blocks, n_blocks, out);
}

void widen_q4_k(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    widen_with_minimum<0, q4_k_block_bytes>(blocks, n_blocks, out);
}

void widen_q5_k(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    widen_with_minimum<1, q5_k_block_bytes>(blocks, n_blocks, out);
}

void widen_q6_k(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    widen_scaled<2, 2, q6_k_block_bytes>(blocks, n_blocks, out);
}

}  // namespace altclip::avx2

#endif

// Activations as bytes for the AVX-512 VNNI tables: see avx512_i8.h.
#if (defined(__x86_64__) || defined(_M_X64)) && !defined(ALTCLIP_SIMDE)

#include <algorithm>
#include <cfloat>

#include "kernels/avx512_i8.h"
#include "kernels/avx512_tile.h"

namespace altclip::avx512 {

namespace {

constexpr int64_t n_together = 4;  // tokens
constexpr int64_t n_vectors = i8_run / 16;

/// What a token's run of bytes stands for: scale * (centre + byte).
struct Bytes {
    __m128 centre, scale, inverse;  // of four tokens
};

/// Four vectors to four numbers.
template <typename Operation>
__m128 reduce(const Operation & operation, const __m512 (&x)[n_together]) {
    const auto half = [&](int i) { return operation(_mm512_castps512_ps256(x[i]), _mm512_extractf32x8_ps(x[i], 1)); };
    const auto two = [&](__m256 first, __m256 second) {
        return operation(_mm256_unpacklo_ps(first, second), _mm256_unpackhi_ps(first, second));
    };
    const __m256 a = two(half(0), half(1)), b = two(half(2), half(3));
    const __m256 four = operation(_mm256_shuffle_ps(a, b, 0x44), _mm256_shuffle_ps(a, b, 0xee));
    const __m256 other = _mm256_permute2f128_ps(four, four, 1);
    return _mm256_castps256_ps128(operation(four, other));
}

Bytes bytes_of(const float * const (&x)[n_together]) {
    __m512 smallest[n_together], largest[n_together], strange[n_together];  // 0 unless something is no number
    for (int64_t r = 0; r < n_together; ++r) {
        smallest[r] = largest[r] = _mm512_loadu_ps(x[r]);
        strange[r] = _mm512_mul_ps(smallest[r], _mm512_setzero_ps());
        for (int64_t i = 1; i < n_vectors; ++i) {
            const __m512 values = _mm512_loadu_ps(x[r] + 16 * i);
            smallest[r] = _mm512_min_ps(smallest[r], values);
            largest[r] = _mm512_max_ps(largest[r], values);
            strange[r] = _mm512_fmadd_ps(values, _mm512_setzero_ps(), strange[r]);
        }
    }
    const __m128 low = reduce([](__m256 a, __m256 b) { return _mm256_min_ps(a, b); }, smallest);
    const __m128 high = reduce([](__m256 a, __m256 b) { return _mm256_max_ps(a, b); }, largest);
    const __m128 nothing = reduce([](__m256 a, __m256 b) { return _mm256_add_ps(a, b); }, strange);

    const auto times = [](__m128 value, float factor) { return _mm_mul_ps(value, _mm_set1_ps(factor)); };
    const __m128 size = _mm_max_ps(high, _mm_sub_ps(_mm_setzero_ps(), low));
    // far from zero, the distance from there takes the steps
    __m128 scale = _mm_max_ps(_mm_sub_ps(times(high, 1.0f / 255), times(low, 1.0f / 255)), times(size, 1.0f / 254));
    const __mmask8 some = _mm_cmp_ps_mask(scale, _mm_set1_ps(FLT_MIN), _CMP_GE_OQ);  // the others have no inverse
    scale = _mm_maskz_mov_ps(some, scale);
    const __m128 inverse = _mm_maskz_div_ps(some, _mm_set1_ps(1.0f), scale);
    const __m128 most = _mm_set1_ps(127.0f), least = _mm_set1_ps(-127.0f);
    const __m128 centre = _mm_max_ps(_mm_min_ps(_mm_fmsub_ps(high, inverse, most), most), least);
    const __m128 whole = _mm_roundscale_ps(centre, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    return {_mm_sub_ps(whole, _mm_set1_ps(128.0f)), _mm_add_ps(scale, nothing), inverse};
}

/// A token's bytes of two blocks: words of four inputs of the first and the second in turn, eight rows of a run.
__m512i bytes_of_pair(const float * x, float inverse, float centre) {
    const auto steps = [x, inverse, centre](int64_t i) {
        const __m512 values = _mm512_loadu_ps(x + 16 * i);
        return _mm512_cvtps_epi32(_mm512_fmsub_ps(values, _mm512_set1_ps(inverse), _mm512_set1_ps(centre)));
    };
    const __m512i even = _mm512_packs_epi32(steps(0), steps(1)), odd = _mm512_packs_epi32(steps(2), steps(3));
    // packed, a word's four inputs lie in lane j, word 2 block + half: they go to row 4 half + j
    const __m512i order = _mm512_set_epi32(15, 13, 11, 9, 7, 5, 3, 1, 14, 12, 10, 8, 6, 4, 2, 0);
    return _mm512_permutexvar_epi32(order, _mm512_packus_epi16(even, odd));
}

/// Eight rows of four tokens to rows of [token_tile][2].
void interleave(const __m512i (&tokens)[n_together], int32_t * out) {
    const __m512i low = _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0), high = _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4);
    const auto store = [](int32_t * row, __m512i rows) {  // a row and the next but one
        _mm256_storeu_si256(reinterpret_cast<__m256i *>(row), _mm512_castsi512_si256(rows));
        _mm256_storeu_si256(reinterpret_cast<__m256i *>(row + 4 * token_tile), _mm512_extracti64x4_epi64(rows, 1));
    };
    const __m512i even0 = _mm512_unpacklo_epi64(tokens[0], tokens[1]),
                  even2 = _mm512_unpacklo_epi64(tokens[2], tokens[3]),
                  odd0 = _mm512_unpackhi_epi64(tokens[0], tokens[1]),
                  odd2 = _mm512_unpackhi_epi64(tokens[2], tokens[3]);
    store(out, _mm512_permutex2var_epi64(even0, low, even2));
    store(out + 2 * token_tile, _mm512_permutex2var_epi64(odd0, low, odd2));
    store(out + 8 * token_tile, _mm512_permutex2var_epi64(even0, high, even2));
    store(out + 10 * token_tile, _mm512_permutex2var_epi64(odd0, high, odd2));
}

/// The last row of four tokens.
void store_tokens(const Bytes & bytes, int32_t * out) {
    const __m128i centre = _mm_cvtps_epi32(bytes.centre), scale = _mm_castps_si128(bytes.scale);
    const __m128i centres = _mm_mask_blend_epi16(0xaa, _mm_slli_epi32(centre, 7), _mm_slli_epi32(centre, 16));
    _mm_storeu_si128(reinterpret_cast<__m128i *>(out), _mm_unpacklo_epi32(scale, centres));
    _mm_storeu_si128(reinterpret_cast<__m128i *>(out + 4), _mm_unpackhi_epi32(scale, centres));
}

}  // namespace

void pack_i8(const float * x, int64_t ld, int64_t n_rows, int64_t n_in, int32_t * out) {
    static_assert(token_tile % n_together == 0, "whole fours");
    float last[n_together][i8_run];
    for (int64_t k = 0; k < n_in; k += i8_run, out += i8_run_words * token_tile) {
        for (int64_t first = 0; first < n_rows; first += n_together) {
            const float * rows[n_together];
            for (int64_t r = 0; r < n_together; ++r) {
                rows[r] = x + std::min(first + r, n_rows - 1) * ld + k;
                if (n_in - k >= i8_run) continue;
                std::fill(std::copy(rows[r], rows[r] + n_in - k, last[r]), std::end(last[r]), 0.0f);
                rows[r] = last[r];
            }
            const Bytes bytes = bytes_of(rows);
            float centre[n_together], inverse[n_together];
            _mm_storeu_ps(centre, bytes.centre);
            _mm_storeu_ps(inverse, bytes.inverse);
            for (int64_t p = 0; p < 2; ++p) {
                __m512i pairs[n_together];
                for (int64_t r = 0; r < n_together; ++r)
                    pairs[r] = bytes_of_pair(rows[r] + 64 * p, inverse[r], centre[r]);
                interleave(pairs, out + (i8_values + 8 * p) * 2 * token_tile + first * 2);
            }
            store_tokens(bytes, out + i8_token * 2 * token_tile + first * 2);
        }
    }
}

}  // namespace altclip::avx512

#endif

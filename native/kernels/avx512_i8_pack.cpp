// Activations as bytes for the AVX-512 VNNI tables: see avx512_i8.h.
#if (defined(__x86_64__) || defined(_M_X64)) && !defined(ALTCLIP_SIMDE)

#include <algorithm>
#include <cfloat>
#include <cstring>

#include "kernels/avx512_i8.h"
#include "kernels/avx512_tile.h"

namespace altclip::avx512 {

namespace {

constexpr int64_t n_together = 4;  // tokens
constexpr int64_t n_vectors = i8_run / 16;

/// What a token's run of bytes stands for: scale * (centre + byte), with a centre of 127 steps at most.
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
    return {_mm_roundscale_ps(centre, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), _mm_add_ps(scale, nothing),
            inverse};
}

/// A token's words, eight rows of two in a vector.
constexpr int64_t n_row_vectors = i8_run_words / 16;
static_assert(i8_run_words % 16 == 0, "whole vectors");
struct Words {
    __m512i rows[n_row_vectors];
};

/// One token's run: what two blocks have side by side.
Words pack_run(const float * x, float centre, float scale, float inverse) {
    const auto steps = [x, inverse, centre](int64_t i) {
        const __m512 values = _mm512_loadu_ps(x + 16 * i);
        return _mm512_cvtps_epi32(_mm512_fmsub_ps(values, _mm512_set1_ps(inverse), _mm512_set1_ps(centre)));
    };
    // packed, a word's four inputs lie in lane j, word 2 block + half: they go to row 4 half + j
    const __m512i order = _mm512_set_epi32(15, 13, 11, 9, 7, 5, 3, 1, 14, 12, 10, 8, 6, 4, 2, 0);
    const auto bytes_of_pair = [&](int64_t p) {
        const __m512i even = _mm512_packs_epi32(steps(4 * p), steps(4 * p + 1)),
                      odd = _mm512_packs_epi32(steps(4 * p + 2), steps(4 * p + 3));
        return _mm512_permutexvar_epi32(order, _mm512_packs_epi16(even, odd));
    };
    // of both blocks' first halves in the lower half, again and again, of the second in the upper
    const auto half_sums = [](__m512i bytes) {
        const __m512i fours = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1), bytes);
        const __m512i eights = _mm512_add_epi32(fours, _mm512_shuffle_i64x2(fours, fours, 0xb1));
        return _mm512_add_epi32(eights, _mm512_shuffle_epi32(eights, _MM_PERM_BADC));
    };
    const auto block_sums = [](__m512i halves) {
        return _mm512_add_epi32(halves, _mm512_shuffle_i64x2(halves, halves, 0x4e));
    };
    const auto starts = [](__m512i sums) {
        const __m512i half = _mm512_set_epi32(7, 8, 7, 8, 7, 8, 7, 8, 7, 8, 7, 8, 7, 8, 7, 8);
        return _mm512_sub_epi32(half, _mm512_slli_epi32(sums, 7));
    };
    const auto doubled = [](__m512i sums) {
        const __m128i two = _mm_slli_epi32(_mm512_castsi512_si128(sums), 1);
        return _mm_cvtsi128_si32(_mm_packs_epi32(two, two));
    };
    const __m512i bytes0 = bytes_of_pair(0), bytes1 = bytes_of_pair(1);
    const __m512i halves0 = half_sums(bytes0), halves1 = half_sums(bytes1);
    const __m512i blocks0 = block_sums(halves0), blocks1 = block_sums(halves1);
    int32_t scale_bits;
    std::memcpy(&scale_bits, &scale, sizeof(scale_bits));
    const auto whole = static_cast<int32_t>(centre);
    const __m128i last =
        _mm_set_epi32(whole * 65536 + (whole * 256 & 0xffff), scale_bits, doubled(blocks1), doubled(blocks0));

    static_assert(i8_block_starts == 16 && i8_half_starts == 18 && i8_input_sums == 22 && i8_token == 23, "the order");
    __m512i rest =
        _mm512_permutex2var_epi64(starts(halves0), _mm512_set_epi64(0, 0, 12, 8, 4, 0, 0, 0), starts(halves1));
    rest = _mm512_mask_mov_epi64(rest, 1, starts(blocks0));
    rest = _mm512_mask_mov_epi64(rest, 2, starts(blocks1));
    return {{bytes0, bytes1, _mm512_inserti32x4(rest, last, 3)}};
}

/// Four tokens' words to rows of [token_tile][2].
void interleave(const Words (&tokens)[n_together], int32_t * out) {
    const __m512i low = _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0), high = _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4);
    const auto store = [](int32_t * row, __m512i rows) {  // a row and the next but one
        _mm256_storeu_si256(reinterpret_cast<__m256i *>(row), _mm512_castsi512_si256(rows));
        _mm256_storeu_si256(reinterpret_cast<__m256i *>(row + 4 * token_tile), _mm512_extracti64x4_epi64(rows, 1));
    };
    for (int64_t i = 0; i < n_row_vectors; ++i, out += 16 * token_tile) {
        const auto rows = [&tokens, i](int64_t r) { return tokens[r].rows[i]; };
        const __m512i even0 = _mm512_unpacklo_epi64(rows(0), rows(1)), even2 = _mm512_unpacklo_epi64(rows(2), rows(3));
        const __m512i odd0 = _mm512_unpackhi_epi64(rows(0), rows(1)), odd2 = _mm512_unpackhi_epi64(rows(2), rows(3));
        store(out, _mm512_permutex2var_epi64(even0, low, even2));
        store(out + 2 * token_tile, _mm512_permutex2var_epi64(odd0, low, odd2));
        store(out + 8 * token_tile, _mm512_permutex2var_epi64(even0, high, even2));
        store(out + 10 * token_tile, _mm512_permutex2var_epi64(odd0, high, odd2));
    }
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
            float centre[n_together], scale[n_together], inverse[n_together];
            _mm_storeu_ps(centre, bytes.centre);
            _mm_storeu_ps(scale, bytes.scale);
            _mm_storeu_ps(inverse, bytes.inverse);
            Words words[n_together];
            for (int64_t r = 0; r < n_together; ++r) words[r] = pack_run(rows[r], centre[r], scale[r], inverse[r]);
            interleave(words, out + first * 2);
        }
    }
}

}  // namespace altclip::avx512

#endif

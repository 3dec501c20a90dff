// Activations as bytes for the AVX-512 VNNI tables: see avx512_i8.h.
#if (defined(__x86_64__) || defined(_M_X64)) && !defined(ALTCLIP_SIMDE)

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstring>

#include "kernels/avx512_i8.h"
#include "kernels/avx512_tile.h"

namespace altclip::avx512 {

namespace {

constexpr int64_t n_vectors = i8_run / 16;

/// What the bytes of a run stand for: scale * (centre + byte).
struct Bytes {
    float centre;
    float scale;
};

Bytes bytes_of(const __m512 (&x)[n_vectors]) {
    constexpr int nan_or_infinite = 0x99;
    __mmask16 strange = 0;
    __m512 smallest = x[0], largest = x[0];
    for (const __m512 v : x) {
        strange |= _mm512_fpclass_ps_mask(v, nan_or_infinite);
        smallest = _mm512_min_ps(smallest, v);
        largest = _mm512_max_ps(largest, v);
    }
    if (strange) return {NAN, NAN};
    const float low = _mm512_reduce_min_ps(smallest) / 2, high = _mm512_reduce_max_ps(largest) / 2;
    const float middle = high + low, scale = (high - low) / 127;
    if (scale < FLT_MIN) return {middle, 1};  // it has no inverse: all bytes are zero
    return {middle / scale, scale};
}

/// One token's run.
void pack_run(const __m512 (&x)[n_vectors], int32_t (&words)[i8_run_words]) {
    const auto [centre, scale] = bytes_of(x);
    std::memcpy(&words[i8_token_scale], &scale, sizeof(scale));
    std::memcpy(&words[i8_token_centre], &centre, sizeof(centre));
    for (int64_t i = 0; i < n_vectors; ++i) {
        const __m512 from_centre = _mm512_fmsub_ps(x[i], _mm512_set1_ps(1 / scale), _mm512_set1_ps(centre));
        const __m512i rounded = _mm512_cvtps_epi32(from_centre);
        _mm_store_si128(reinterpret_cast<__m128i *>(&words[i8_values + 4 * i]), _mm512_cvtsepi32_epi8(rounded));
    }
    const auto half_sums = [&words](int64_t first) {  // of 16 inputs, each four times
        const __m512i values = _mm512_load_si512(&words[i8_values + first]);
        const __m512i fours = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1), values);
        const __m512i eights = _mm512_add_epi32(fours, _mm512_shuffle_epi32(fours, _MM_PERM_CDAB));
        return _mm512_add_epi32(eights, _mm512_shuffle_epi32(eights, _MM_PERM_BADC));
    };
    const __m512i each = _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0, 28, 24, 20, 16, 12, 8, 4, 0);
    const __m512i both = _mm512_permutex2var_epi32(half_sums(0), each, half_sums(16));
    const __m256i halves = _mm512_castsi512_si256(both);
    const __m256i pairs = _mm256_add_epi32(halves, _mm256_shuffle_epi32(halves, 0xb1));
    const __m128i sums =
        _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(pairs, _mm256_set_epi32(0, 0, 0, 0, 6, 4, 2, 0)));
    const auto store = [&words](int64_t row, __m128i value) {
        _mm_store_si128(reinterpret_cast<__m128i *>(&words[row]), value);
    };
    const __m256i starts = _mm256_sub_epi32(_mm256_setzero_si256(), _mm256_slli_epi32(halves, 7));
    store(i8_block_starts, _mm_sub_epi32(_mm_setzero_si128(), _mm_slli_epi32(sums, 7)));
    store(i8_half_starts, _mm256_castsi256_si128(starts));
    store(i8_half_starts + 4, _mm256_extracti128_si256(starts, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i *>(&words[i8_input_sums]), _mm_packs_epi32(sums, sums));
}

/// Runs of four tokens to rows of [token_tile] words.
void interleave(const int32_t (&words)[4][i8_run_words], int32_t * out) {
    for (int64_t i = 0; i < i8_run_words; i += 4, out += 4 * token_tile) {
        const auto load = [&words, i](int64_t r) { return _mm_load_ps(reinterpret_cast<const float *>(&words[r][i])); };
        __m128 w0 = load(0), w1 = load(1), w2 = load(2), w3 = load(3);
        _MM_TRANSPOSE4_PS(w0, w1, w2, w3);
        const auto store = [out](int64_t row, __m128 w) {
            _mm_storeu_ps(reinterpret_cast<float *>(out + row * token_tile), w);
        };
        store(0, w0), store(1, w1), store(2, w2), store(3, w3);
    }
}

}  // namespace

void pack_i8(const float * x, int64_t ld, int64_t n_rows, int64_t n_in, int32_t * out) {
    static_assert(token_tile % 4 == 0 && i8_run_words % 4 == 0, "whole fours");
    alignas(64) int32_t words[4][i8_run_words] = {};
    for (int64_t k = 0; k < n_in; k += i8_run, out += i8_run_words * token_tile) {
        for (int64_t r = 0; r < n_rows; ++r) {
            __m512 values[n_vectors];
            for (int64_t i = 0; i < n_vectors; ++i) {
                const int64_t n = std::clamp<int64_t>(n_in - k - 16 * i, 0, 16);
                values[i] = _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), x + r * ld + k + 16 * i);
            }
            pack_run(values, words[r % 4]);
            if (r % 4 == 3 || r == n_rows - 1) interleave(words, out + r / 4 * 4);
        }
    }
}

}  // namespace altclip::avx512

#endif

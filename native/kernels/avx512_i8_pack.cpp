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

/// What the bytes of a run stand for: scale * (centre + byte), with a centre of 127 steps at most.
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
    if (strange) return {0, NAN};
    const float low = _mm512_reduce_min_ps(smallest), high = _mm512_reduce_max_ps(largest);
    // far from zero, the distance from there takes the steps
    const float scale = std::max(high / 255 - low / 255, std::max(high, -low) / 254);
    if (scale < FLT_MIN) return {0, 0};  // it has no inverse
    return {std::nearbyint(std::clamp(high / scale - 127, -127.0f, 127.0f)), scale};
}

/// One token's run: what two blocks have side by side.
void pack_run(const __m512 (&x)[n_vectors], int32_t (&words)[i8_run_words]) {
    const auto [centre, scale] = bytes_of(x);
    const float inverse = scale > 0 ? 1 / scale : 0.0f;
    const auto bytes = [&x, inverse, centre = centre](int64_t i) {
        const __m512 steps = _mm512_fmsub_ps(x[i], _mm512_set1_ps(inverse), _mm512_set1_ps(centre));
        return _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(steps));
    };
    for (int64_t p = 0; p < 2; ++p) {
        __m128i rows[4];
        for (int64_t half = 0; half < 2; ++half) {
            const __m128i even = bytes(4 * p + half), odd = bytes(4 * p + 2 + half);
            rows[2 * half] = _mm_unpacklo_epi32(even, odd), rows[2 * half + 1] = _mm_unpackhi_epi32(even, odd);
        }
        for (int64_t i = 0; i < 4; ++i)
            _mm_store_si128(reinterpret_cast<__m128i *>(&words[2 * (i8_values + 8 * p + 2 * i)]), rows[i]);

        const auto sums_of = [](__m128i a, __m128i b) {  // of both blocks' bytes, twice
            const __m128i ones = _mm_set1_epi8(1), zero = _mm_setzero_si128();
            const __m128i fours = _mm_dpbusd_epi32(_mm_dpbusd_epi32(zero, ones, a), ones, b);
            return _mm_add_epi32(fours, _mm_shuffle_epi32(fours, 0x4e));
        };
        const __m128i first = sums_of(rows[0], rows[1]), second = sums_of(rows[2], rows[3]);
        const __m128i block = _mm_add_epi32(first, second), doubled = _mm_add_epi32(block, block);
        const __m128i half = _mm_set_epi32(0, 0, 7, 8);
        const auto start = [half](__m128i sum) { return _mm_sub_epi32(half, _mm_slli_epi32(sum, 7)); };
        const auto store = [&words](int64_t row, __m128i value) {
            _mm_storel_epi64(reinterpret_cast<__m128i *>(&words[2 * row]), value);
        };
        store(i8_block_starts + p, start(block));
        store(i8_half_starts + 2 * p, start(first));
        store(i8_half_starts + 2 * p + 1, start(second));
        words[2 * i8_input_sums + p] = _mm_cvtsi128_si32(_mm_packs_epi32(doubled, doubled));
    }
    std::memcpy(&words[2 * i8_token], &scale, sizeof(scale));
    const auto steps = static_cast<int16_t>(centre);
    const int16_t centre_pair[2] = {static_cast<int16_t>(256 * steps), steps};
    std::memcpy(&words[2 * i8_token + 1], centre_pair, sizeof(centre_pair));
}

/// Runs of four tokens to rows of [token_tile][2] words.
void interleave(const int32_t (&words)[4][i8_run_words], int32_t * out) {
    for (int64_t i = 0; i < i8_run_words; i += 4, out += 4 * token_tile) {
        const auto load = [&words, i](int64_t r) {
            return _mm_load_pd(reinterpret_cast<const double *>(&words[r][i]));
        };
        const auto store = [out](int64_t row, int64_t r, __m128d pair) {
            _mm_storeu_pd(reinterpret_cast<double *>(out + 2 * (row * token_tile + r)), pair);
        };
        for (int64_t r = 0; r < 4; r += 2) {
            store(0, r, _mm_unpacklo_pd(load(r), load(r + 1)));
            store(1, r, _mm_unpackhi_pd(load(r), load(r + 1)));
        }
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
            if (r % 4 == 3 || r == n_rows - 1) interleave(words, out + r / 4 * 8);
        }
    }
}

}  // namespace altclip::avx512

#endif

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

/// One token's run; words lie token_tile apart.
void pack_run(const __m512 (&x)[n_vectors], int32_t * out) {
    const auto [centre, scale] = bytes_of(x);
    std::memcpy(out + i8_token_scale * token_tile, &scale, sizeof(scale));
    std::memcpy(out + i8_token_centre * token_tile, &centre, sizeof(centre));
    alignas(64) int8_t values[i8_run];
    for (int64_t i = 0; i < n_vectors; ++i) {
        const __m512 from_centre = _mm512_fmsub_ps(x[i], _mm512_set1_ps(1 / scale), _mm512_set1_ps(centre));
        const __m512i rounded = _mm512_cvtps_epi32(from_centre);
        _mm_store_si128(reinterpret_cast<__m128i *>(values + i * 16), _mm512_cvtsepi32_epi8(rounded));
    }
    alignas(64) int32_t halves[i8_run / 4];  // four times each
    for (int64_t i = 0; i < i8_run; i += 64) {
        const __m512i fours =
            _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1), _mm512_load_si512(values + i));
        const __m512i eights = _mm512_add_epi32(fours, _mm512_shuffle_epi32(fours, _MM_PERM_CDAB));
        _mm512_store_si512(halves + i / 4, _mm512_add_epi32(eights, _mm512_shuffle_epi32(eights, _MM_PERM_BADC)));
    }
    for (int64_t i = 0; i < i8_run / 4; ++i) {
        std::memcpy(out + (i8_values + i) * token_tile, values + 4 * i, sizeof(int32_t));
    }
    int32_t sums[i8_run / 32];
    for (int64_t block = 0; block < i8_run / 32; ++block) {
        const int32_t low = halves[block * 8], high = halves[block * 8 + 4];
        sums[block] = low + high;
        out[(i8_block_starts + block) * token_tile] = -128 * sums[block];
        out[(i8_half_starts + 2 * block) * token_tile] = -128 * low;
        out[(i8_half_starts + 2 * block + 1) * token_tile] = -128 * high;
    }
    for (int64_t pair = 0; pair < 2; ++pair) {
        const int16_t both[2] = {static_cast<int16_t>(sums[2 * pair]), static_cast<int16_t>(sums[2 * pair + 1])};
        std::memcpy(out + (i8_input_sums + pair) * token_tile, both, sizeof(both));
    }
}

}  // namespace

void pack_i8(const float * x, int64_t ld, int64_t n_rows, int64_t n_in, int32_t * out) {
    for (int64_t k = 0; k < n_in; k += i8_run, out += i8_run_words * token_tile) {
        for (int64_t r = 0; r < n_rows; ++r) {
            __m512 values[n_vectors];
            for (int64_t i = 0; i < n_vectors; ++i) {
                const int64_t n = std::clamp<int64_t>(n_in - k - 16 * i, 0, 16);
                values[i] = _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), x + r * ld + k + 16 * i);
            }
            pack_run(values, out + r);
        }
    }
}

}  // namespace altclip::avx512

#endif

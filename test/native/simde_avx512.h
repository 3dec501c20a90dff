// AVX-512 for CPUs without it: SIMDe, and what its version 0.7 lacks or names wrongly, from AVX2 halves.
#pragma once

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#include <cstring>

namespace simde_avx512 {

inline simde__m512i cvtepu16_epi32(__m256i x) {
    const __m256i halves[2] = {_mm256_cvtepu16_epi32(_mm256_castsi256_si128(x)),
                               _mm256_cvtepu16_epi32(_mm256_extracti128_si256(x, 1))};
    return simde_mm512_loadu_si512(halves);
}

inline simde__m512 cvtepi32_ps(simde__m512i x) {
    __m256i halves[2];
    simde_mm512_storeu_si512(halves, x);
    const __m256 converted[2] = {_mm256_cvtepi32_ps(halves[0]), _mm256_cvtepi32_ps(halves[1])};
    return simde_mm512_loadu_ps(converted);
}

inline simde__m512i cvtps_epi32(simde__m512 x) {
    __m256 halves[2];
    simde_mm512_storeu_ps(halves, x);
    const __m256i converted[2] = {_mm256_cvtps_epi32(halves[0]), _mm256_cvtps_epi32(halves[1])};
    return simde_mm512_loadu_si512(converted);
}

/// Sixteen of `low`, then sixteen of `high`, rounded to nearest, halves to even.
inline simde__m512bh cvtne2ps_pbh(simde__m512 high, simde__m512 low) {
    uint32_t bits[32];
    simde_mm512_storeu_ps(bits, low);
    simde_mm512_storeu_ps(bits + 16, high);
    uint16_t rounded[32];
    for (int i = 0; i < 32; ++i) {
        const bool nan = (bits[i] & 0x7fffffff) > 0x7f800000;
        rounded[i] = static_cast<uint16_t>(nan ? 0x7fc0 : (bits[i] + 0x7fff + (bits[i] >> 16 & 1)) >> 16);
    }
    simde__m512bh packed;
    std::memcpy(&packed, rounded, sizeof(packed));
    return packed;
}

inline simde__m512 maskz_loadu_ps(unsigned mask, const float * x) {
    float values[16] = {};
    for (int i = 0; i < 16; ++i) {
        if ((mask >> i) & 1u) values[i] = x[i];
    }
    return simde_mm512_loadu_ps(values);
}

inline void mask_storeu_ps(float * y, unsigned mask, simde__m512 v) {
    float values[16];
    simde_mm512_storeu_ps(values, v);
    for (int i = 0; i < 16; ++i) {
        if ((mask >> i) & 1u) y[i] = values[i];
    }
}

template <typename Join>
float reduce(simde__m512 v, const Join & join) {
    float values[16];
    simde_mm512_storeu_ps(values, v);
    for (int n = 8; n > 0; n /= 2) {
        for (int i = 0; i < n; ++i) values[i] = join(values[i], values[i + n]);
    }
    return values[0];
}
inline float reduce_add_ps(simde__m512 v) {
    return reduce(v, [](float a, float b) { return a + b; });
}
inline float reduce_max_ps(simde__m512 v) {
    return reduce(v, [](float a, float b) { return a > b ? a : b; });
}

}  // namespace simde_avx512

#undef _mm512_madd_epi16
#define _mm512_madd_epi16 simde_mm512_madd_epi16
#define _mm512_cvtepu16_epi32 simde_avx512::cvtepu16_epi32
#undef _mm512_cvtepi32_ps
#define _mm512_cvtepi32_ps simde_avx512::cvtepi32_ps
#undef _mm512_cvtps_epi32
#define _mm512_cvtps_epi32 simde_avx512::cvtps_epi32
#define _mm512_cvtne2ps_pbh simde_avx512::cvtne2ps_pbh
#define _mm512_maskz_loadu_ps simde_avx512::maskz_loadu_ps
#undef _mm512_mask_storeu_ps
#define _mm512_mask_storeu_ps simde_avx512::mask_storeu_ps
#undef _mm512_reduce_add_ps
#define _mm512_reduce_add_ps simde_avx512::reduce_add_ps
#undef _mm512_reduce_max_ps
#define _mm512_reduce_max_ps simde_avx512::reduce_max_ps

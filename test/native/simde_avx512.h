// AVX-512 for CPUs without it: SIMDe, and what its version 0.7 lacks or names wrongly, from AVX2 halves.
#pragma once

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

namespace simde_avx512 {

inline simde__m512i cvtepu16_epi32(__m256i x) {
    const __m256i halves[2] = {_mm256_cvtepu16_epi32(_mm256_castsi256_si128(x)),
                               _mm256_cvtepu16_epi32(_mm256_extracti128_si256(x, 1))};
    return simde_mm512_loadu_si512(halves);
}

inline simde__m512 cvtph_ps(__m256i x) {
    const __m256 halves[2] = {_mm256_cvtph_ps(_mm256_castsi256_si128(x)),
                              _mm256_cvtph_ps(_mm256_extracti128_si256(x, 1))};
    return simde_mm512_loadu_ps(halves);
}

inline simde__m512 cvtepi32_ps(simde__m512i x) {
    __m256i halves[2];
    simde_mm512_storeu_si512(halves, x);
    const __m256 converted[2] = {_mm256_cvtepi32_ps(halves[0]), _mm256_cvtepi32_ps(halves[1])};
    return simde_mm512_loadu_ps(converted);
}

inline __m256i cvtepi32_epi16(simde__m512i x) {
    int32_t wide[16];
    simde_mm512_storeu_si512(wide, x);
    int16_t narrow[16];
    for (int i = 0; i < 16; ++i) narrow[i] = static_cast<int16_t>(wide[i]);
    return _mm256_loadu_si256(reinterpret_cast<const __m256i *>(narrow));
}

inline simde__m512 maskz_loadu_ps(unsigned mask, const float * x) {
    float values[16] = {};
    for (int i = 0; i < 16; ++i) {
        if ((mask >> i) & 1u) values[i] = x[i];
    }
    return simde_mm512_loadu_ps(values);
}

}  // namespace simde_avx512

#undef _mm512_madd_epi16
#define _mm512_madd_epi16 simde_mm512_madd_epi16
#define _mm512_cvtepu16_epi32 simde_avx512::cvtepu16_epi32
#define _mm512_cvtph_ps simde_avx512::cvtph_ps
#undef _mm512_cvtepi32_ps
#define _mm512_cvtepi32_ps simde_avx512::cvtepi32_ps
#define _mm512_cvtepi32_epi16 simde_avx512::cvtepi32_epi16
#define _mm512_maskz_loadu_ps simde_avx512::maskz_loadu_ps

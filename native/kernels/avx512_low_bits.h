// Values of few bits out of the words that hold them: see kernels.h. Vectors of 256 bits, of which a Zen 4 works on
// more at a time than on half as many of 512: weights widen in 0.7 to 0.95 of the time.
#pragma once

#include "kernels/avx512.h"

namespace altclip::avx512 {

namespace {

inline __m256i load_256(const uint8_t * p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i *>(p));
}

/// 16-bit words to the left, or to the right.
inline __m256i shifted(__m256i x, int n) {
    if (n == 0) return x;
    return n > 0 ? _mm256_slli_epi16(x, n) : _mm256_srli_epi16(x, -n);
}

/// Exclusive or of `rest` and what of a row's 16-bit words, moved from bit `from` to bit `to`, is within the mask.
inline __m256i place(const uint8_t * row, int from, int to, int mask, __m256i rest) {
    constexpr int and_xor = 0x6a;
    const __m256i masks = _mm256_set1_epi16(static_cast<int16_t>(mask));
    return _mm256_ternarylogic_epi32(shifted(load_256(row), to - from), masks, rest, and_xor);
}

/// Vector 0 to 3 of a group, 8 outputs by 2 inputs: values of 4 + n_high bits at the top of 16, less a half.
template <int n_high>
__m256i at_top(const uint8_t * q, int group, int vector) {
    const __m256i v = place(q + group * 32, vector * 4, 12 - n_high, 0xf000 >> n_high, _mm256_set1_epi16(INT16_MIN));
    if constexpr (n_high == 0) return v;
    constexpr int n_groups = n_high == 2 ? 2 : 4;  // in a row of higher bits
    const int from = (group % n_groups * 4 + vector) * n_high;
    return place(q + 256 + group / n_groups * 32, from, 16 - n_high, 0x10000 - (0x10000 >> n_high), v);
}

}  // namespace

}  // namespace altclip::avx512

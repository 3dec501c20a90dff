// Rows of 32-bit words side by side, as products read them; included by the AVX-512 files alone.
#pragma once

#include <cstdint>

#include "kernels/avx512.h"

namespace altclip::avx512 {

/// Inputs [i, i + 16) of a row of n, zeros beyond the last.
inline __m512 load_up_to(const float * row, int64_t i, int64_t n) {
    if (i + 16 <= n) return _mm512_loadu_ps(row + i);
    return i < n ? _mm512_maskz_loadu_ps(lanes(n - i), row + i) : _mm512_setzero_ps();
}

/// Words of n_rows rows to [n_words][tile], of which the first n_filled are written, in fours, zeros beyond the rows.
/// row(r, i) has words [i, i + 16) of row r, whatever lies beyond the last.
template <int64_t tile, typename Row>
inline void pack_words(const Row & row, int64_t n_rows, int64_t n_filled, int64_t n_words, float * out) {
    static_assert(tile % 4 == 0, "whole fours");
    const auto at = [&](int64_t r, int64_t i) { return r < n_rows ? row(r, i) : _mm512_setzero_ps(); };
    for (int64_t i = 0; i < n_words; i += 16, out += 16 * tile) {
        for (int64_t r = 0; r < n_filled; r += 4) {
            // 16 words of each row become four words times four rows
            const __m512 x0 = at(r, i), x1 = at(r + 1, i), x2 = at(r + 2, i), x3 = at(r + 3, i);
            const __m512 t0 = _mm512_unpacklo_ps(x0, x1), t1 = _mm512_unpackhi_ps(x0, x1);
            const __m512 t2 = _mm512_unpacklo_ps(x2, x3), t3 = _mm512_unpackhi_ps(x2, x3);
            const __m512 y[4] = {_mm512_shuffle_ps(t0, t2, 0x44), _mm512_shuffle_ps(t0, t2, 0xee),
                                 _mm512_shuffle_ps(t1, t3, 0x44), _mm512_shuffle_ps(t1, t3, 0xee)};
            const auto store = [&](int64_t word, __m128 rows) {
                if (i + word < n_words) _mm_storeu_ps(out + word * tile + r, rows);
            };
            for (int64_t j = 0; j < 4; ++j) {
                store(j, _mm512_castps512_ps128(y[j]));
                store(j + 4, _mm512_extractf32x4_ps(y[j], 1));
                store(j + 8, _mm512_extractf32x4_ps(y[j], 2));
                store(j + 12, _mm512_extractf32x4_ps(y[j], 3));
            }
        }
    }
}

}  // namespace altclip::avx512

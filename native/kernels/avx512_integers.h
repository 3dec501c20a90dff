// 16-bit integer products for the AVX-512 tables: tiles of 6 tokens by 32 outputs, twelve sums of a run in integers and
// twelve of all inputs in floats.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "kernels/avx512_tile.h"

namespace altclip::avx512 {

/// A product's tokens go through a tile in two passes where they are more than it has.
inline constexpr int64_t pass_tokens = 6;
static_assert(token_tile <= 2 * pass_tokens, "two passes");
inline int64_t n_passes(int64_t n_rows) {
    return n_rows > pass_tokens ? 2 : 1;
}

/// Calls run(R, row) for each pass, with its number of tokens as a constant, and its first token.
template <typename Run>
void for_passes(int64_t n_rows, const Run & run) {
    const auto pass = [&run](int64_t n, int64_t row) {
        switch (n) {
            case 6: return run(std::integral_constant<int, 6>(), row);
            case 5: return run(std::integral_constant<int, 5>(), row);
            case 4: return run(std::integral_constant<int, 4>(), row);
            case 3: return run(std::integral_constant<int, 3>(), row);
            case 2: return run(std::integral_constant<int, 2>(), row);
            default: return run(std::integral_constant<int, 1>(), row);
        }
    };
    const int64_t first = n_passes(n_rows) > 1 ? (n_rows + 1) / 2 : n_rows;
    pass(first, 0);
    if (first < n_rows) pass(n_rows - first, first);
}

/// What each of a product's passes asks for in place of a whole product's step.
inline int64_t share_of_pass(int64_t n_rows, int64_t step) {
    return n_passes(n_rows) > 1 ? (step + 1) / 2 : step;
}

/// Sums over k inputs for R tokens by T tiles; multiply_add(sum, a, b) does it for a pair of 16-bit integers a lane.
template <int R, int T, typename MultiplyAdd, int... I>
inline void tile_i16(const MultiplyAdd & multiply_add, std::integer_sequence<int, I...>, int64_t k, const int32_t * a,
                     const int16_t * b, int64_t next, const float * output_scales, float * c, int64_t ldc,
                     bool accumulate, const Outputs * outputs, Ahead ahead) {
    constexpr int step_pairs = integer_step / 2;
    const auto at = [c, ldc](int i) { return c + i / T * ldc + i % T * output_tile; };
    __m512 totals[R * T] = {(accumulate ? _mm512_loadu_ps(at(I)) : _mm512_setzero_ps())...};
    for (; k > 0; k -= integer_run, a += integer_run_words * token_tile) {
        __m512i sums[R * T] = {((void)I, _mm512_setzero_si512())...};
        const int32_t * x = a;
#pragma GCC unroll 1  // GCC spills sums where it unrolls both loops
        for (int64_t step = std::min(integer_run, k) / integer_step; step > 0; --step) {
            for (int64_t i = 0; i < step_pairs * ahead.step; i += 64) {
                fetch(ahead.memory + i);
                if (T > 1) fetch(ahead.memory + ahead.next + i);
            }
            ahead.memory += step_pairs * ahead.step;
#pragma GCC unroll 4
            for (int pair = 0; pair < step_pairs; ++pair, x += token_tile, b += 2 * output_tile) {
                const __m512i w0 = _mm512_loadu_si512(b), w1 = _mm512_loadu_si512(T > 1 ? b + next : b);
                ((sums[I] = multiply_add(sums[I], _mm512_set1_epi32(x[I / T]), I % T ? w1 : w0)), ...);
            }
        }
        const int32_t * scales = a + integer_run / 2 * token_tile;
        ((totals[I] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[I]),
                                      _mm512_castsi512_ps(_mm512_set1_epi32(scales[I / T])), totals[I])),
         ...);
    }
    if (output_scales) {
        const __m512 scale0 = _mm512_loadu_ps(output_scales),
                     scale1 = _mm512_loadu_ps(output_scales + (T - 1) * output_tile);
        ((totals[I] = _mm512_mul_ps(totals[I], I % T ? scale1 : scale0)), ...);
    }
    leave<T>(std::integer_sequence<int, I...>(), totals, outputs_or(outputs, c, ldc));
}

/// KernelTable::product_i16 by way of multiply_add.
template <typename MultiplyAdd>
void product_i16(const MultiplyAdd & multiply_add, int64_t n_rows, int64_t n_tiles, int64_t k, const int32_t * a,
                 const int16_t * b, int64_t next, const float * output_scales, float * c, int64_t ldc, bool accumulate,
                 const Outputs * outputs, const Ahead & ahead) {
    Ahead here{ahead.memory, share_of_pass(n_rows, ahead.step), ahead.next};
    for_passes(n_rows, [&](auto r, int64_t row) {
        Outputs rest;
        if (outputs) rest = rest_of(*outputs, row);
        const auto by_tiles = [&](auto t) {
            constexpr int R = decltype(r)::value, T = decltype(t)::value;
            tile_i16<R, T>(multiply_add, std::make_integer_sequence<int, R * T>(), k, a + row, b, next, output_scales,
                           c + row * ldc, ldc, accumulate, outputs ? &rest : nullptr, here);
        };
        if (n_tiles > 1) {
            by_tiles(std::integral_constant<int, 2>());
        } else {
            by_tiles(std::integral_constant<int, 1>());
        }
        here.memory += k / 2 * here.step;
    });
}

}  // namespace altclip::avx512

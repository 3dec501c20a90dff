// One matrix product for the AVX-512 tables: tiles of 12 tokens by 32 outputs, 24 accumulators of 16 sums.
//
// Two vectors of weights and a broadcast activation serve 24 multiply-adds: 14 loads, so that two load ports keep two
// multipliers busy. The accumulators are an array that only constants index, which compilers keep in registers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "kernels/avx512.h"
#include "kernels/kernels.h"

namespace altclip::avx512 {

inline constexpr int64_t token_tile = 12;
inline constexpr int64_t input_block = 512;  // 64 kB of widened f32: the second-level cache holds it and the tokens

inline void fetch(const std::byte * line) {
    _mm_prefetch(reinterpret_cast<const char *>(line), _MM_HINT_T0);
}

/// Sums of tokens by T tiles to their outputs.
template <int T, int... I>
inline void leave(std::integer_sequence<int, I...>, __m512 (&sums)[sizeof...(I)], const Outputs & outputs) {
    if (const float * bias = outputs.bias) {
        const __m512 bias0 = _mm512_loadu_ps(bias), bias1 = _mm512_loadu_ps(bias + (T - 1) * output_tile);
        ((sums[I] = _mm512_add_ps(sums[I], I % T ? bias1 : bias0)), ...);
    }
    const auto place = [](int i, int64_t ld) { return i / T * ld + i % T * output_tile; };
    if (const float * residual = outputs.residual)
        ((sums[I] = _mm512_add_ps(sums[I], _mm512_loadu_ps(residual + place(I, outputs.ld_residual)))), ...);
    (_mm512_storeu_ps(outputs.y + place(I, outputs.ld), sums[I]), ...);
}

/// Sums over k of a [k][token_tile] times T tiles of b for R tokens, added to what c holds where there are some before:
/// at the end, or as what sums begin with. Step says which, and has the types of a token's and a weight vector's
/// element, load, broadcast and the multiply-add.
template <typename Step, int R, int T, int... I>
inline void tile(std::integer_sequence<int, I...>, int64_t k, const typename Step::Token * a,
                 const typename Step::Weight * b, int64_t ldb, int64_t next, float * c, int64_t ldc, bool accumulate,
                 const Outputs * outputs, const Ahead & ahead) {
    const std::byte * line = ahead.memory;
    const auto at = [c, ldc](int i) { return c + i / T * ldc + i % T * output_tile; };
    const bool goes_on = accumulate && Step::goes_on;
    __m512 sums[R * T] = {(goes_on ? _mm512_loadu_ps(at(I)) : _mm512_setzero_ps())...};
    for (; k > 0; --k, a += token_tile, b += ldb, line += ahead.step) {
        fetch(line);
        if (T > 1) fetch(line + ahead.next);
        const auto w0 = Step::load(b), w1 = Step::load(T > 1 ? b + next : b);
        ((sums[I] = Step::multiply_add(sums[I], Step::broadcast(a + I / T), I % T ? w1 : w0)), ...);
    }
    if (accumulate && !goes_on) ((sums[I] = _mm512_add_ps(sums[I], _mm512_loadu_ps(at(I)))), ...);
    leave<T>(std::integer_sequence<int, I...>(), sums, outputs_or(outputs, c, ldc));
}

/// KernelTable::product_f32 and product_bf16 by way of a Step.
template <typename Step>
void product(int64_t n_rows, int64_t n_tiles, int64_t k, const typename Step::Token * a,
             const typename Step::Weight * b, int64_t ldb, int64_t next, float * c, int64_t ldc, bool accumulate,
             const Outputs * outputs, const Ahead & ahead) {
    const auto run = [&](auto r) {
        const auto by_tiles = [&](auto t) {
            constexpr int R = decltype(r)::value, T = decltype(t)::value;
            tile<Step, R, T>(std::make_integer_sequence<int, R * T>(), k, a, b, ldb, next, c, ldc, accumulate, outputs,
                             ahead);
        };
        if (n_tiles > 1) return by_tiles(std::integral_constant<int, 2>());
        by_tiles(std::integral_constant<int, 1>());
    };
    switch (n_rows) {
        case 12: return run(std::integral_constant<int, 12>());
        case 11: return run(std::integral_constant<int, 11>());
        case 10: return run(std::integral_constant<int, 10>());
        case 9: return run(std::integral_constant<int, 9>());
        case 8: return run(std::integral_constant<int, 8>());
        case 7: return run(std::integral_constant<int, 7>());
        case 6: return run(std::integral_constant<int, 6>());
        case 5: return run(std::integral_constant<int, 5>());
        case 4: return run(std::integral_constant<int, 4>());
        case 3: return run(std::integral_constant<int, 3>());
        case 2: return run(std::integral_constant<int, 2>());
        default: return run(std::integral_constant<int, 1>());
    }
}

}  // namespace altclip::avx512

// Products with 8-bit activations for the AVX-512 VNNI tables: see avx512_i8.h. Integers are sums of a part here,
// floats of a run; sums of all inputs stay in memory.
#if (defined(__x86_64__) || defined(_M_X64)) && !defined(ALTCLIP_SIMDE)

#include "kernels/avx512_i8.h"
#include "kernels/avx512_integers.h"

namespace altclip::avx512 {

namespace {

/// S of one part for R tokens by T tiles.
template <int R, int T, int n_quads, int... I>
inline void sum_part(std::integer_sequence<int, I...>, const int32_t * starts, const int32_t * values,
                     const uint8_t * w0, const uint8_t * w1, __m512i (&sums)[R * T]) {
    ((sums[I] = _mm512_set1_epi32(starts[I / T])), ...);
#pragma GCC unroll 8
    for (int q = 0; q < n_quads; ++q, values += token_tile, w0 += 64, w1 += 64) {
        const __m512i u0 = _mm512_loadu_si512(w0), u1 = _mm512_loadu_si512(w1);
        ((sums[I] = _mm512_dpbusd_epi32(sums[I], I % T ? u1 : u0, _mm512_set1_epi32(values[I / T]))), ...);
    }
}

template <Parts parts, int R, int T, int... I>
void tile_i8(std::integer_sequence<int, I...> all, int64_t n_runs, const int32_t * a, const uint8_t * b, int64_t next,
             const float * output_scales, float * c, int64_t ldc, bool accumulate, Ahead ahead) {
    constexpr int n_quads = 8 / block_parts<parts>, n_parts = 4 * block_parts<parts>;
    constexpr int64_t starts_row = parts == Parts::halves ? i8_half_starts : i8_block_starts;
    for (; n_runs > 0; --n_runs, a += i8_run_words * token_tile, b += i8_run_bytes, accumulate = true) {
        const auto load = [b, next](int64_t offset, int tile) { return _mm512_loadu_si512(b + tile * next + offset); };
        const auto floats = [&load](int64_t offset, int tile) { return _mm512_castsi512_ps(load(offset, tile)); };
        const auto token = [a](int64_t row, int i) {
            return _mm512_castsi512_ps(_mm512_set1_epi32(a[row * token_tile + i / T]));
        };
        const __m512 w0 = floats(i8_weight_sum, 0), w1 = floats(i8_weight_sum, T - 1);
        __m512 totals[R * T] = {_mm512_mul_ps(I % T ? w1 : w0, token(i8_token_centre, I))...};
        __m512i sums[R * T];
        if constexpr (parts == Parts::blocks_with_minimum) {
            ((sums[I] = _mm512_setzero_si512()), ...);
            for (int64_t p = 0; p < 2; ++p) {
                const __m512i m0 = load(i8_minimums + p * 64, 0), m1 = load(i8_minimums + p * 64, T - 1);
                const int32_t * x = a + (i8_input_sums + p) * token_tile;
                ((sums[I] = _mm512_dpwssd_epi32(sums[I], I % T ? m1 : m0, _mm512_set1_epi32(x[I / T]))), ...);
            }
            ((totals[I] = _mm512_add_ps(totals[I], _mm512_cvtepi32_ps(sums[I]))), ...);
        }
#pragma GCC unroll 1  // unrolled, it is no faster
        for (int64_t p = 0; p < n_parts; ++p) {
            for (int64_t i = 0; i < ahead.step; i += 64) {
                fetch(ahead.memory + i);
                if (T > 1) fetch(ahead.memory + ahead.next + i);
            }
            ahead.memory += ahead.step;
            const uint8_t * weights = b + i8_weights + p * n_quads * 64;
            sum_part<R, T, n_quads>(all, a + (starts_row + p) * token_tile, a + (i8_values + p * n_quads) * token_tile,
                                    weights, weights + (T - 1) * next, sums);
            const __m512 m0 = floats(i8_multipliers + p * 64, 0), m1 = floats(i8_multipliers + p * 64, T - 1);
            ((totals[I] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[I]), I % T ? m1 : m0, totals[I])), ...);
        }
        const auto at = [c, ldc](int i) { return c + i / T * ldc + i % T * output_tile; };
        ((totals[I] = _mm512_fmadd_ps(totals[I], token(i8_token_scale, I),
                                      accumulate ? _mm512_loadu_ps(at(I)) : _mm512_setzero_ps())),
         ...);
        if (output_scales && n_runs == 1) {
            const auto scale = [output_scales](int tile) {
                return _mm512_mul_ps(_mm512_loadu_ps(output_scales + tile * output_tile),
                                     _mm512_set1_ps(1.0f / low_bits_unit));
            };
            const __m512 scale0 = scale(0), scale1 = scale(T - 1);
            ((totals[I] = _mm512_mul_ps(totals[I], I % T ? scale1 : scale0)), ...);
        }
        (_mm512_storeu_ps(at(I), totals[I]), ...);
    }
}

}  // namespace

template <Parts parts>
void product_i8(int64_t n_rows, int64_t n_tiles, int64_t n_runs, const int32_t * a, const int16_t * b, int64_t next,
                const float * output_scales, float * c, int64_t ldc, bool accumulate, const Ahead & ahead) {
    constexpr int64_t n_parts = 4 * block_parts<parts>;  // of a run: each asks for as much as n_words steps
    constexpr int64_t n_words = i8_run_words / n_parts;
    const int64_t ahead_step = share_of_pass(n_rows, ahead.step * n_words);
    for_passes(n_rows, n_tiles, [&](auto r, auto t, int64_t pass, int64_t row) {
        constexpr int R = decltype(r)::value, T = decltype(t)::value;
        const Ahead here{ahead.memory + pass * n_runs * n_parts * ahead_step, ahead_step, ahead.next};
        tile_i8<parts, R, T>(std::make_integer_sequence<int, R * T>(), n_runs, a + row,
                             reinterpret_cast<const uint8_t *>(b), 2 * next, output_scales, c + row * ldc, ldc,
                             accumulate, here);
    });
}

template void product_i8<Parts::blocks>(int64_t, int64_t, int64_t, const int32_t *, const int16_t *, int64_t,
                                        const float *, float *, int64_t, bool, const Ahead &);
template void product_i8<Parts::blocks_with_minimum>(int64_t, int64_t, int64_t, const int32_t *, const int16_t *,
                                                     int64_t, const float *, float *, int64_t, bool, const Ahead &);
template void product_i8<Parts::halves>(int64_t, int64_t, int64_t, const int32_t *, const int16_t *, int64_t,
                                        const float *, float *, int64_t, bool, const Ahead &);

}  // namespace altclip::avx512

#endif

// Products with 8-bit activations for the AVX-512 VNNI tables: see avx512_i8.h. Tiles of 6 tokens by 16 outputs:
// twelve sums of a pair of parts and six of a run in integers, six of all inputs in floats.
#if (defined(__x86_64__) || defined(_M_X64)) && !defined(ALTCLIP_SIMDE)

#include <cstring>

#include "kernels/avx512_i8.h"
#include "kernels/avx512_integers.h"

namespace altclip::avx512 {

namespace {

/// What the tiles of a product have in common.
struct Product {
    int64_t n_runs;
    const float * output_scales;
    const float * partial;  // sums of the inputs before, if there were any
    int64_t ldc;
    Outputs outputs;
    Ahead ahead;
};

/// R tokens from `token` on by one tile of outputs; returns the memory that the next tile asks for. A function of its
/// own, which keeps little on the stack: that would wait in the store queue beside the sums, where half of the queue,
/// all that a thread has beside another one on the core, has no room for both.
template <int part_inputs, int R, int... I>
[[gnu::noinline]] const std::byte * tile_i8(std::integer_sequence<int, I...>, const Product & p, const int32_t * a,
                                            const uint8_t * b, int64_t token, int64_t output, const std::byte * line) {
    constexpr int64_t n_pairs = i8_run / part_inputs / 2, n_quads = part_inputs / 4;  // of parts; of a part
    constexpr int shift = i8_shift<part_inputs>;
    constexpr int64_t rounding = 1 << (shift - 1);  // halves up in one part, down in the other
    const __m512i start = _mm512_set1_epi64((rounding - 1) << 32 | rounding);
    const float * c = p.partial ? p.partial + token * p.ldc + output : nullptr;
    __m512 sums[R] = {(c ? _mm512_loadu_ps(c + I * p.ldc) : _mm512_setzero_ps())...};
    for (int64_t run = p.n_runs; run > 0; --run, a += i8_run_words * token_tile, b += i8_run_bytes) {
        const auto load = [](const uint8_t * from) { return _mm512_loadu_si512(from); };
        const auto words = [a](int64_t row, int i) { return a + (row * token_tile + i) * 2; };
        const auto word = [&words](int64_t row, int i, int which) { return _mm512_set1_epi32(words(row, i)[which]); };
        const auto pair = [&words](int64_t row, int i) {
            int64_t both;
            std::memcpy(&both, words(row, i), sizeof(both));
            return _mm512_set1_epi64(both);
        };
        const __m512i weight_sum = load(b + i8_weight_sum);
        __m512i totals[R] = {_mm512_dpwssd_epi32(_mm512_setzero_si512(), weight_sum, word(i8_token, I, 1))...};
#pragma GCC unroll 1  // unrolled, it is no faster
        for (int64_t i = 0; i < n_pairs; ++i) {
            for (const std::byte * end = line + p.ahead.step; line < end; line += 64) {
                fetch(line);
                fetch(line + p.ahead.next);
            }
            __m512i first[R] = {((void)I, start)...}, second[R] = {((void)I, start)...};
            const uint8_t * weights = b + i8_weights + i * n_quads * 128;
#pragma GCC unroll 16
            for (int64_t q = 0; q < n_quads; ++q) {
                const __m512i v0 = load(weights + q * 128), v1 = load(weights + q * 128 + 64);
                const int64_t row = i8_values + i * n_quads + q;
                ((first[I] = _mm512_dpbusd_epi32(first[I], pair(row, I), v0),
                  second[I] = _mm512_dpbusd_epi32(second[I], pair(row, I), v1)),
                 ...);
            }
            const __m512i multipliers = load(b + i8_multipliers + i * 64);
            ((first[I] = _mm512_srai_epi32(first[I], shift)), ...);
            ((second[I] = _mm512_srai_epi32(second[I], shift)), ...);
            ((first[I] = _mm512_packs_epi32(first[I], second[I])), ...);
            ((totals[I] = _mm512_dpwssd_epi32(totals[I], first[I], multipliers)), ...);
        }
        ((sums[I] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(totals[I]), _mm512_castsi512_ps(word(i8_token, I, 0)), sums[I])),
         ...);
    }
    if (p.output_scales) {
        const __m512 scale = _mm512_mul_ps(_mm512_loadu_ps(p.output_scales + output), _mm512_set1_ps(1.0f / 4));
        ((sums[I] = _mm512_mul_ps(sums[I], scale)), ...);
    }
    leave<1>(std::integer_sequence<int, I...>(), sums, rest_of(p.outputs, token, output));
    return line;
}

}  // namespace

template <int part_inputs>
void product_i8(int64_t n_rows, int64_t n_tiles, int64_t n_runs, const int32_t * a, const int16_t * b, int64_t next,
                const float * output_scales, float * c, int64_t ldc, bool accumulate, const Outputs * outputs,
                const Ahead & ahead) {
    // what a product asks for in a step of a word a pair of parts does, of both tiles at once
    constexpr int64_t n_words = i8_run_words * part_inputs / 64;
    const int64_t n_lines = (share_of_pass(n_rows, ahead.step * n_words) / n_tiles + 63) / 64;
    const Product p{n_runs,
                    output_scales,
                    accumulate ? c : nullptr,
                    ldc,
                    outputs_or(outputs, c, ldc),
                    {ahead.memory, n_lines * 64, n_tiles > 1 ? ahead.next : 0}};
    const std::byte * line = ahead.memory;
    for (int64_t t = 0; t < n_tiles; ++t) {
        const auto * tile = reinterpret_cast<const uint8_t *>(b + t * next);
        for_passes(n_rows, [&](auto r, int64_t row) {
            constexpr int R = decltype(r)::value;
            line = tile_i8<part_inputs, R>(std::make_integer_sequence<int, R>(), p, a + row * 2, tile, row,
                                           t * output_tile, line);
        });
    }
}

template void product_i8<16>(int64_t, int64_t, int64_t, const int32_t *, const int16_t *, int64_t, const float *,
                             float *, int64_t, bool, const Outputs *, const Ahead &);
template void product_i8<32>(int64_t, int64_t, int64_t, const int32_t *, const int16_t *, int64_t, const float *,
                             float *, int64_t, bool, const Outputs *, const Ahead &);
template void product_i8<64>(int64_t, int64_t, int64_t, const int32_t *, const int16_t *, int64_t, const float *,
                             float *, int64_t, bool, const Outputs *, const Ahead &);

}  // namespace altclip::avx512

#endif

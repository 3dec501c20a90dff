// The AVX-512 table with VNNI and BF16: bf16 weights are multiplied as they are, two inputs an instruction.
#if defined(__x86_64__) || defined(_M_X64)

#include "kernels/avx512_products.h"

namespace altclip {

namespace avx512 {

namespace {

struct BfloatStep {
    using Token = int32_t;
    using Weight = int16_t;
    using Sum = __m512;
    static Sum zero() { return _mm512_setzero_ps(); }
    static __m512i load(const int16_t * b) { return _mm512_loadu_si512(b); }
    static __m512i broadcast(const int32_t * a) { return _mm512_set1_epi32(*a); }
    static Sum multiply_add(Sum sum, __m512i a, __m512i b) {
        return _mm512_dpbf16_ps(sum, bits_of<__m512bh>(a), bits_of<__m512bh>(b));
    }
};

/// Inputs [0, n) of a row as bf16, rounded to nearest, halves to even; n <= 32, the others zero.
inline __m512 rounded(const float * x, int64_t n) {
    if (n == 32) return bits_of<__m512>(_mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + 16), _mm512_loadu_ps(x)));
    const uint32_t some = (1u << n) - 1;
    return bits_of<__m512>(_mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(static_cast<__mmask16>(some >> 16), x + 16),
                                               _mm512_maskz_loadu_ps(static_cast<__mmask16>(some), x)));
}

/// Pairs of n_in inputs of n_rows rows to [(n_in + 1) / 2][tile], of which the first n_filled are written, fours.
template <int64_t tile>
void pack_pairs(const float * x, int64_t ld, int64_t n_rows, int64_t n_filled, int64_t n_in, int32_t * out) {
    static_assert(tile % 4 == 0, "whole fours");
    for (int64_t i = 0; i < n_in; i += 32, out += 16 * tile) {
        const int64_t n = std::min<int64_t>(32, n_in - i), n_pairs = (n + 1) / 2;
        for (int64_t r = 0; r < n_filled; r += 4) {
            // 16 pairs of each row become four pairs times four rows
            const auto row = [&](int64_t j) {
                return r + j < n_rows ? rounded(x + (r + j) * ld + i, n) : _mm512_setzero_ps();
            };
            const __m512 x0 = row(0), x1 = row(1), x2 = row(2), x3 = row(3);
            const __m512 t0 = _mm512_unpacklo_ps(x0, x1), t1 = _mm512_unpackhi_ps(x0, x1);
            const __m512 t2 = _mm512_unpacklo_ps(x2, x3), t3 = _mm512_unpackhi_ps(x2, x3);
            const __m512 y[4] = {_mm512_shuffle_ps(t0, t2, 0x44), _mm512_shuffle_ps(t0, t2, 0xee),
                                 _mm512_shuffle_ps(t1, t3, 0x44), _mm512_shuffle_ps(t1, t3, 0xee)};
            const auto store = [&](int64_t pair, __m128 rows) {
                if (pair < n_pairs) _mm_storeu_ps(reinterpret_cast<float *>(out + pair * tile + r), rows);
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

void pack_bf16(const float * x, int64_t ld, int64_t n_rows, int64_t n_in, int32_t * out) {
    pack_pairs<token_tile>(x, ld, n_rows, n_rows, n_in, out);
}

void tile_of_rows_bf16(const float * x, int64_t ld, int64_t n, int64_t n_in, int16_t * out) {
    pack_pairs<output_tile>(x, ld, n, output_tile, n_in, reinterpret_cast<int32_t *>(out));
}

void tile_of_columns_bf16(const float * x, int64_t ld, int64_t n, int64_t n_in, int16_t * out) {
    const auto some = static_cast<__mmask16>((1u << n) - 1);
    const __m512i outputs = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i order =
        _mm512_or_si512(outputs, _mm512_slli_epi32(_mm512_add_epi32(outputs, _mm512_set1_epi32(output_tile)), 16));
    for (int64_t i = 0; i < n_in; i += 2, x += 2 * ld, out += 2 * output_tile) {
        const __m512 first = _mm512_maskz_loadu_ps(some, x);
        const __m512 second = i + 1 < n_in ? _mm512_maskz_loadu_ps(some, x + ld) : _mm512_setzero_ps();
        const auto rows = bits_of<__m512i>(_mm512_cvtne2ps_pbh(second, first));
        _mm512_storeu_si512(out, _mm512_permutexvar_epi16(order, rows));
    }
}

/// Sums go on from what c holds: then they are the same however inputs are cut into blocks, which depends on how many
/// tokens there are. The next layer rounds them to bf16, where the last bit of a sum can become one of bf16's.
void product_bf16(int64_t n_rows, int64_t n_tiles, int64_t n_pairs, const int32_t * a, const int16_t * b, int64_t next,
                  float * c, int64_t ldc, bool accumulate, const Ahead & ahead) {
    const auto at = [c, ldc](int64_t r, int64_t t) { return c + r * ldc + t * output_tile; };
    product<BfloatStep>(
        n_rows, n_tiles, n_pairs, a, b, 2 * output_tile, next, ahead,
        [&](int64_t r, int64_t t) { return accumulate ? _mm512_loadu_ps(at(r, t)) : BfloatStep::zero(); },
        [&](int64_t r, int64_t t, __m512 sum) { _mm512_storeu_ps(at(r, t), sum); });
}

}  // namespace

}  // namespace avx512

constexpr KernelTable avx512_bf16_kernels = [] {
    KernelTable table = avx512::vnni_table();
    table.pack_bf16 = avx512::pack_bf16;
    table.product_bf16 = avx512::product_bf16;
    table.tile_of_rows_bf16 = avx512::tile_of_rows_bf16;
    table.tile_of_columns_bf16 = avx512::tile_of_columns_bf16;
    return table;
}();

}  // namespace altclip

#endif

// The AVX-512 table with VNNI and BF16: bf16 weights are multiplied as they are, two inputs an instruction.
#if defined(__x86_64__) || defined(_M_X64)

#include <cstring>

#include "kernels/avx512_products.h"

namespace altclip {

namespace avx512 {

namespace {

struct BfloatStep : PairStep {
    using Sum = __m512;
    static Sum zero() { return _mm512_setzero_ps(); }
    static Sum multiply_add(Sum sum, __m512i a, __m512i b) { return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b); }
};

/// Rounded to nearest, halves to even, in the low 16 bits; a NaN stays one.
__m512i rounded(__m512 x) {
    const __m512i bits = _mm512_castps_si512(x);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i sum = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    return _mm512_srli_epi32(_mm512_mask_mov_epi32(sum, nan, _mm512_set1_epi32(0x7fc00000)), 16);
}

void pack_bf16(const float * x, int64_t ld, int64_t n_rows, int64_t n_in, int32_t * out) {
    for (int64_t r = 0; r < n_rows; ++r) {
        const float * row = x + r * ld;
        for (int64_t i = 0; i < n_in; i += 16) {
            const int64_t n = std::min<int64_t>(16, n_in - i);
            const auto mask = static_cast<__mmask16>((1u << n) - 1);
            alignas(32) int32_t pairs[8];
            _mm256_store_si256(reinterpret_cast<__m256i *>(pairs),
                               _mm512_cvtepi32_epi16(rounded(_mm512_maskz_loadu_ps(mask, row + i))));
            int32_t * target = out + i / 2 * token_tile + r;
            for (int64_t j = 0; j < (n + 1) / 2; ++j) target[j * token_tile] = pairs[j];
        }
    }
}

void pair_bf16(const uint16_t * x, int64_t n, int16_t * out) {
    const auto load = [x, n](int64_t i) {
        if (i == n) return _mm512_setzero_si512();
        return _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(x + i * output_tile)));
    };
    for (int64_t i = 0; i < n; i += 2, out += 2 * output_tile) {
        _mm512_storeu_si512(out, _mm512_or_si512(load(i), _mm512_slli_epi32(load(i + 1), 16)));
    }
}

void product_bf16(int64_t n_rows, int64_t n_tiles, int64_t n_pairs, const int32_t * a, const int16_t * b, int64_t next,
                  float * c, int64_t ldc, bool accumulate, const Ahead & ahead) {
    product<BfloatStep>(n_rows, n_tiles, n_pairs, a, b, 2 * output_tile, next, ahead,
                        [&](int64_t r, int64_t t, __m512 sum) { put(c + r * ldc + t * output_tile, sum, accumulate); });
}

}  // namespace

}  // namespace avx512

constexpr KernelTable avx512_bf16_kernels = [] {
    KernelTable table = avx512::table();
    table.product_i16 = avx512::product_i16_vnni;
    table.pack_bf16 = avx512::pack_bf16;
    table.pair_bf16 = avx512::pair_bf16;
    table.product_bf16 = avx512::product_bf16;
    return table;
}();

}  // namespace altclip

#endif

// The AVX-512 table with VNNI, BF16 and VBMI: bf16 weights are multiplied as they are, two inputs an instruction, and
// bytes of four bits are looked up. All CPUs with BF16 but Cooper Lake have VBMI.
#if defined(__x86_64__) || defined(_M_X64)

#include "kernels/avx512_pack.h"
#include "kernels/avx512_products.h"

namespace altclip {

namespace avx512 {

namespace {

struct BfloatStep {
    using Token = int32_t;
    using Weight = int16_t;
    /// Sums are the same however inputs are cut into blocks, which depends on how many tokens there are. The next layer
    /// rounds them to bf16, where the last bit of a sum can become one of bf16's.
    static constexpr bool goes_on = true;
    static __m512i load(const int16_t * b) { return _mm512_loadu_si512(b); }
    static __m512i broadcast(const int32_t * a) { return _mm512_set1_epi32(*a); }
    static __m512 multiply_add(__m512 sum, __m512i a, __m512i b) {
        return _mm512_dpbf16_ps(sum, bits_of<__m512bh>(a), bits_of<__m512bh>(b));
    }
};

/// Pairs of n_in inputs of x's rows, ld apart, as bf16, rounded to nearest, halves to even: 16 from pair i on of row r.
auto rounded_pairs(const float * x, int64_t ld, int64_t n_in) {
    return [x, ld, n_in](int64_t r, int64_t i) {
        const float * row = x + r * ld;
        return bits_of<__m512>(_mm512_cvtne2ps_pbh(load_up_to(row, 2 * i + 16, n_in), load_up_to(row, 2 * i, n_in)));
    };
}

void pack_bf16(const float * x, int64_t ld, int64_t n_rows, int64_t n_in, int32_t * out) {
    pack_words<token_tile>(rounded_pairs(x, ld, n_in), n_rows, n_rows, (n_in + 1) / 2, reinterpret_cast<float *>(out));
}

void tile_of_rows_bf16(const float * x, int64_t ld, int64_t n, int64_t n_in, int16_t * out) {
    pack_words<output_tile>(rounded_pairs(x, ld, n_in), n, output_tile, (n_in + 1) / 2, reinterpret_cast<float *>(out));
}

void tile_of_columns_bf16(const float * x, int64_t ld, int64_t n, int64_t n_in, int16_t * out) {
    const __mmask16 some = lanes(n);
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

void product_bf16(int64_t n_rows, int64_t n_tiles, int64_t n_pairs, const int32_t * a, const int16_t * b, int64_t next,
                  float * c, int64_t ldc, bool accumulate, const Outputs * outputs, const Ahead & ahead) {
    product<BfloatStep>(n_rows, n_tiles, n_pairs, a, b, 2 * output_tile, next, c, ldc, accumulate, outputs, ahead);
}

}  // namespace

}  // namespace avx512

constexpr KernelTable avx512_bf16_kernels = [] {
    KernelTable table = avx512::vnni_table();
    table.pack_bf16 = avx512::pack_bf16;
    table.product_bf16 = avx512::product_bf16;
    table.tile_of_rows_bf16 = avx512::tile_of_rows_bf16;
    table.tile_of_columns_bf16 = avx512::tile_of_columns_bf16;
#ifndef ALTCLIP_SIMDE
    table.q4_0_i8.widen = avx512::widen_q4_0_i8_vbmi;
    table.q4_k_i8.widen = avx512::widen_q4_k_i8_vbmi;
#endif
    return table;
}();

}  // namespace altclip

#endif

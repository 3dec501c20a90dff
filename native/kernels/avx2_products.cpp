// Matrix products with AVX2 and FMA: tiles of 6 tokens by 16 outputs, twelve accumulators, and the table.
//
// Accumulators have names: GCC spills them when they lie in an array. For integers an empty asm statement after each
// addition keeps it from reordering the sums into spills.
#if defined(__x86_64__) || defined(_M_X64)

#include <immintrin.h>

#include <algorithm>

#include "kernels/avx2_rows.h"
#include "kernels/avx2_widen.h"
#include "kernels/kernels.h"

namespace altclip {

namespace {

constexpr int64_t token_tile = 6;

inline void fetch(const std::byte * line) {
    _mm_prefetch(reinterpret_cast<const char *>(line), _MM_HINT_T0);
}

/// 16 sums of token r to its outputs.
inline void leave(const Outputs & outputs, int r, __m256 low, __m256 high) {
    if (const float * bias = outputs.bias)
        low = _mm256_add_ps(low, _mm256_loadu_ps(bias)), high = _mm256_add_ps(high, _mm256_loadu_ps(bias + 8));
    if (const float * x = outputs.residual ? outputs.residual + r * outputs.ld_residual : nullptr)
        low = _mm256_add_ps(low, _mm256_loadu_ps(x)), high = _mm256_add_ps(high, _mm256_loadu_ps(x + 8));
    float * y = outputs.y + r * outputs.ld;
    _mm256_storeu_ps(y, low);
    _mm256_storeu_ps(y + 8, high);
}

template <int R>
void tile_f32(int64_t k, const float * a, const float * b, int64_t ldb, float * c, int64_t ldc, bool accumulate,
              const Outputs & outputs, const Ahead & ahead) {
    const std::byte * line = ahead.memory;
    __m256 c00 = _mm256_setzero_ps(), c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00;
    __m256 c30 = c00, c31 = c00, c40 = c00, c41 = c00, c50 = c00, c51 = c00;
#pragma GCC unroll 4
    for (int64_t i = 0; i < k; ++i, a += token_tile, b += ldb, line += ahead.step) {
        fetch(line);
        const __m256 b0 = _mm256_loadu_ps(b), b1 = _mm256_loadu_ps(b + 8);
        __m256 x = _mm256_broadcast_ss(a);
        c00 = _mm256_fmadd_ps(x, b0, c00), c01 = _mm256_fmadd_ps(x, b1, c01);
        if constexpr (R > 1)
            x = _mm256_broadcast_ss(a + 1), c10 = _mm256_fmadd_ps(x, b0, c10), c11 = _mm256_fmadd_ps(x, b1, c11);
        if constexpr (R > 2)
            x = _mm256_broadcast_ss(a + 2), c20 = _mm256_fmadd_ps(x, b0, c20), c21 = _mm256_fmadd_ps(x, b1, c21);
        if constexpr (R > 3)
            x = _mm256_broadcast_ss(a + 3), c30 = _mm256_fmadd_ps(x, b0, c30), c31 = _mm256_fmadd_ps(x, b1, c31);
        if constexpr (R > 4)
            x = _mm256_broadcast_ss(a + 4), c40 = _mm256_fmadd_ps(x, b0, c40), c41 = _mm256_fmadd_ps(x, b1, c41);
        if constexpr (R > 5)
            x = _mm256_broadcast_ss(a + 5), c50 = _mm256_fmadd_ps(x, b0, c50), c51 = _mm256_fmadd_ps(x, b1, c51);
    }
    const auto store = [&](int r, __m256 low, __m256 high) {
        const float * p = c + r * ldc;
        if (accumulate)
            low = _mm256_add_ps(low, _mm256_loadu_ps(p)), high = _mm256_add_ps(high, _mm256_loadu_ps(p + 8));
        leave(outputs, r, low, high);
    };
    store(0, c00, c01);
    if constexpr (R > 1) store(1, c10, c11);
    if constexpr (R > 2) store(2, c20, c21);
    if constexpr (R > 3) store(3, c30, c31);
    if constexpr (R > 4) store(4, c40, c41);
    if constexpr (R > 5) store(5, c50, c51);
}

/// One multiply-add of a pair of inputs for 16 outputs and one token.
inline void step_i16(const int32_t * a, __m256i b0, __m256i b1, __m256i & low, __m256i & high) {
    const __m256i x = _mm256_set1_epi32(*a);
    low = _mm256_add_epi32(low, _mm256_madd_epi16(b0, x));
    high = _mm256_add_epi32(high, _mm256_madd_epi16(b1, x));
    __asm__ volatile("" : "+x"(low), "+x"(high));
}

template <int R>
void tile_i16(int64_t n_pairs, const int32_t * a, const int16_t * b, const float * output_scales, float * c,
              int64_t ldc, bool accumulate, const Outputs & outputs, const std::byte * line, int64_t line_step) {
    const auto * token_scales = reinterpret_cast<const float *>(a + integer_run / 2 * token_tile);
    __m256i c00 = _mm256_setzero_si256(), c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00;
    __m256i c30 = c00, c31 = c00, c40 = c00, c41 = c00, c50 = c00, c51 = c00;
    constexpr int64_t unrolled = 4;  // a divisor of 16 pairs; GCC spills sums where it has to unroll with a remainder
    for (int64_t i = 0; i < n_pairs; i += unrolled) {
#pragma GCC unroll 4
        for (int64_t j = 0; j < unrolled; ++j, a += token_tile, b += 2 * output_tile, line += line_step) {
            fetch(line);
            const __m256i b0 = _mm256_load_si256(reinterpret_cast<const __m256i *>(b));
            const __m256i b1 = _mm256_load_si256(reinterpret_cast<const __m256i *>(b + output_tile));
            step_i16(a, b0, b1, c00, c01);
            if constexpr (R > 1) step_i16(a + 1, b0, b1, c10, c11);
            if constexpr (R > 2) step_i16(a + 2, b0, b1, c20, c21);
            if constexpr (R > 3) step_i16(a + 3, b0, b1, c30, c31);
            if constexpr (R > 4) step_i16(a + 4, b0, b1, c40, c41);
            if constexpr (R > 5) step_i16(a + 5, b0, b1, c50, c51);
        }
    }
    const auto store = [&](int r, __m256i low, __m256i high) {
        const __m256 scale = _mm256_set1_ps(token_scales[r]), zero = _mm256_setzero_ps();
        const float * p = c + r * ldc;
        __m256 f0 = _mm256_fmadd_ps(_mm256_cvtepi32_ps(low), scale, accumulate ? _mm256_loadu_ps(p) : zero);
        __m256 f1 = _mm256_fmadd_ps(_mm256_cvtepi32_ps(high), scale, accumulate ? _mm256_loadu_ps(p + 8) : zero);
        if (output_scales) {
            f0 = _mm256_mul_ps(f0, _mm256_loadu_ps(output_scales));
            f1 = _mm256_mul_ps(f1, _mm256_loadu_ps(output_scales + 8));
        }
        leave(outputs, r, f0, f1);
    };
    store(0, c00, c01);
    if constexpr (R > 1) store(1, c10, c11);
    if constexpr (R > 2) store(2, c20, c21);
    if constexpr (R > 3) store(3, c30, c31);
    if constexpr (R > 4) store(4, c40, c41);
    if constexpr (R > 5) store(5, c50, c51);
}

void product_f32(int64_t n_rows, int64_t /*n_tiles*/, int64_t k, const float * a, const float * b, int64_t ldb,
                 int64_t /*next*/, float * c, int64_t ldc, bool accumulate, const Outputs * outputs,
                 const Ahead & ahead) {
    const Outputs to = outputs_or(outputs, c, ldc);
    switch (n_rows) {
        case 6: return tile_f32<6>(k, a, b, ldb, c, ldc, accumulate, to, ahead);
        case 5: return tile_f32<5>(k, a, b, ldb, c, ldc, accumulate, to, ahead);
        case 4: return tile_f32<4>(k, a, b, ldb, c, ldc, accumulate, to, ahead);
        case 3: return tile_f32<3>(k, a, b, ldb, c, ldc, accumulate, to, ahead);
        case 2: return tile_f32<2>(k, a, b, ldb, c, ldc, accumulate, to, ahead);
        default: return tile_f32<1>(k, a, b, ldb, c, ldc, accumulate, to, ahead);
    }
}

void product_i16(int64_t n_rows, int64_t /*n_tiles*/, int64_t k, const int32_t * a, const int16_t * b, int64_t /*next*/,
                 const float * output_scales, float * c, int64_t ldc, bool accumulate, const Outputs * outputs,
                 const Ahead & ahead) {
    for (int64_t i = 0; i < k; i += integer_run, a += integer_run_words * token_tile) {
        const int64_t n_pairs = std::min(integer_run, k - i) / 2;
        const int16_t * w = b + i * output_tile;
        const bool add = accumulate || i > 0;
        const bool last = i + integer_run >= k;
        const float * scales = last ? output_scales : nullptr;
        const Outputs to = outputs_or(last ? outputs : nullptr, c, ldc);
        const std::byte * line = ahead.memory + i / 2 * ahead.step;
        switch (n_rows) {
            case 6: tile_i16<6>(n_pairs, a, w, scales, c, ldc, add, to, line, ahead.step); break;
            case 5: tile_i16<5>(n_pairs, a, w, scales, c, ldc, add, to, line, ahead.step); break;
            case 4: tile_i16<4>(n_pairs, a, w, scales, c, ldc, add, to, line, ahead.step); break;
            case 3: tile_i16<3>(n_pairs, a, w, scales, c, ldc, add, to, line, ahead.step); break;
            case 2: tile_i16<2>(n_pairs, a, w, scales, c, ldc, add, to, line, ahead.step); break;
            default: tile_i16<1>(n_pairs, a, w, scales, c, ldc, add, to, line, ahead.step); break;
        }
    }
}

}  // namespace

const KernelTable avx2_kernels = {token_tile,
                                  1,
                                  1024,
                                  avx2::pack_f32<token_tile>,
                                  avx2::tile_of_rows,
                                  avx2::pack_i16<token_tile>,
                                  avx2::widen_bf16,
                                  avx2::widen_q8,
                                  avx2::widen_q4_0,
                                  avx2::widen_q4_k,
                                  avx2::widen_q5_k,
                                  avx2::widen_q6_k,
                                  product_f32,
                                  product_i16,
                                  avx2::finish,
                                  avx2::layer_norm,
                                  avx2::softmax};

}  // namespace altclip

#endif

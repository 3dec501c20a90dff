#if defined(__x86_64__) || defined(_M_X64)

#include "kernels/avx2_rows.h"

#include <immintrin.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstring>

#include "kernels/avx2_math.h"
#include "kernels/kernels.h"

namespace altclip::avx2 {

namespace {

/// Rows r, r + 1, r + 2 and r + 3 of eight columns become eight groups of four.
template <int64_t Tile>
inline void transpose_4x8(const float * x, int64_t ld, float * out) {
    const __m256 x0 = _mm256_loadu_ps(x), x1 = _mm256_loadu_ps(x + ld), x2 = _mm256_loadu_ps(x + 2 * ld),
                 x3 = _mm256_loadu_ps(x + 3 * ld);
    const __m256 t0 = _mm256_unpacklo_ps(x0, x1), t1 = _mm256_unpackhi_ps(x0, x1);
    const __m256 t2 = _mm256_unpacklo_ps(x2, x3), t3 = _mm256_unpackhi_ps(x2, x3);
    const __m256 y[4] = {_mm256_shuffle_ps(t0, t2, 0x44), _mm256_shuffle_ps(t0, t2, 0xee),
                         _mm256_shuffle_ps(t1, t3, 0x44), _mm256_shuffle_ps(t1, t3, 0xee)};
    for (int i = 0; i < 4; ++i) {
        _mm_storeu_ps(out + i * Tile, _mm256_castps256_ps128(y[i]));
        _mm_storeu_ps(out + (i + 4) * Tile, _mm256_extractf128_ps(y[i], 1));
    }
}

/// The same for two rows.
template <int64_t Tile>
inline void transpose_2x8(const float * x, int64_t ld, float * out) {
    const __m256 x0 = _mm256_loadu_ps(x), x1 = _mm256_loadu_ps(x + ld);
    const __m256 y[2] = {_mm256_unpacklo_ps(x0, x1), _mm256_unpackhi_ps(x0, x1)};
    for (int i = 0; i < 2; ++i) {
        const __m128 low = _mm256_castps256_ps128(y[i]), high = _mm256_extractf128_ps(y[i], 1);
        _mm_storel_pi(reinterpret_cast<__m64 *>(out + 2 * i * Tile), low);
        _mm_storeh_pi(reinterpret_cast<__m64 *>(out + (2 * i + 1) * Tile), low);
        _mm_storel_pi(reinterpret_cast<__m64 *>(out + (2 * i + 4) * Tile), high);
        _mm_storeh_pi(reinterpret_cast<__m64 *>(out + (2 * i + 5) * Tile), high);
    }
}

/// n <= 8 values, the others zero.
inline __m256 load_some(const float * x, int64_t n) {
    alignas(32) float values[8] = {};
    std::memcpy(values, x, static_cast<size_t>(n) * sizeof(float));
    return _mm256_load_ps(values);
}
inline void store_some(float * y, __m256 v, int64_t n) {
    alignas(32) float values[8];
    _mm256_store_ps(values, v);
    std::memcpy(y, values, static_cast<size_t>(n) * sizeof(float));
}

/// Eight values of n from the i-th on, zero beyond the last.
inline __m256 load_up_to(const float * x, int64_t i, int64_t n) {
    if (i + 8 <= n) return _mm256_loadu_ps(x + i);
    return i < n ? load_some(x + i, n - i) : _mm256_setzero_ps();
}

/// The largest magnitude of n values; where one of them is no number, that.
float largest_magnitude(const float * x, int64_t n) {
    const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
    __m256i most = _mm256_setzero_si256();  // as integers, magnitudes have the order of floats, and NaN lies above
    for (int64_t i = 0; i < n; i += 8) {
        const __m256i bits = _mm256_castps_si256(load_up_to(x, i, n));
        most = _mm256_max_epi32(most, _mm256_and_si256(bits, magnitude));
    }
    alignas(32) int32_t lanes[8];
    _mm256_store_si256(reinterpret_cast<__m256i *>(lanes), most);
    const int32_t largest = *std::max_element(lanes, lanes + 8);
    float value;
    std::memcpy(&value, &largest, sizeof(value));
    return value;
}

inline __m256 activate8(__m256 x, Activation activation) {
    switch (activation) {
        case Activation::gelu_erf: return gelu_erf8(x);
        case Activation::gelu_tanh: {
            const __m256 inner = _mm256_fmadd_ps(_mm256_mul_ps(_mm256_set1_ps(0.044715f), x), _mm256_mul_ps(x, x), x);
            return gate8(x, _mm256_mul_ps(_mm256_set1_ps(1.5957691216057308f), inner));
        }
        case Activation::quick_gelu: return gate8(x, _mm256_mul_ps(_mm256_set1_ps(1.702f), x));
        case Activation::relu: return _mm256_max_ps(_mm256_setzero_ps(), x);
        case Activation::silu: return gate8(x, x);
    }
    return x;
}

}  // namespace

template <int64_t Tile>
void pack_f32(const float * x, int64_t ld, int64_t n_rows, int64_t n_in, float * out) {
    int64_t i = 0;
    for (; i + 8 <= n_in; i += 8) {
        int64_t r = 0;
        for (; r + 4 <= n_rows; r += 4) transpose_4x8<Tile>(x + r * ld + i, ld, out + i * Tile + r);
        for (; r + 2 <= n_rows; r += 2) transpose_2x8<Tile>(x + r * ld + i, ld, out + i * Tile + r);
        if (r < n_rows) {
            for (int64_t j = i; j < i + 8; ++j) out[j * Tile + r] = x[r * ld + j];
        }
    }
    for (; i < n_in; ++i) {
        for (int64_t r = 0; r < n_rows; ++r) out[i * Tile + r] = x[r * ld + i];
    }
}
template void pack_f32<6>(const float *, int64_t, int64_t, int64_t, float *);

void tile_of_rows(const float * x, int64_t ld, int64_t n, int64_t n_in, float * out) {
    if (n < output_tile) std::fill_n(out, n_in * output_tile, 0.0f);
    pack_f32<output_tile>(x, ld, n, n_in, out);
}

template <int64_t Tile>
void pack_i16(const float * x, int64_t ld, int64_t n_rows, int64_t n_in, int32_t * out) {
    for (int64_t k = 0; k < n_in; k += integer_run, out += integer_run_words * Tile) {
        const int64_t n = std::min(integer_run, n_in - k);
        for (int64_t r = 0; r < n_rows; ++r) {
            const float * row = x + r * ld + k;
            const float scale = largest_magnitude(row, n) / static_cast<float>(activation_max);
            const __m256 inverse = _mm256_set1_ps(scale < FLT_MIN ? 0.0f : 1 / scale);  // below, it has none
            std::memcpy(out + integer_run / 2 * Tile + r, &scale, sizeof(scale));
            int32_t * target = out + r;
            for (int64_t i = 0; i < n; i += 16, target += 8 * Tile) {
                const __m256i low = _mm256_cvtps_epi32(_mm256_mul_ps(inverse, load_up_to(row, i, n)));
                const __m256i high = _mm256_cvtps_epi32(_mm256_mul_ps(inverse, load_up_to(row, i + 8, n)));
                alignas(32) int32_t pairs[8];
                _mm256_store_si256(reinterpret_cast<__m256i *>(pairs),
                                   _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8));
                for (int64_t j = 0; j < 8; ++j) target[j * Tile] = pairs[j];
            }
        }
    }
}

template void pack_i16<6>(const float *, int64_t, int64_t, int64_t, int32_t *);
template void pack_i16<12>(const float *, int64_t, int64_t, int64_t, int32_t *);

void finish(const float * c, int64_t n, const float * bias, const std::optional<Activation> & activation,
            const float * residual, float * y) {
    const auto value = [&](__m256 v, __m256 b) {
        v = _mm256_add_ps(v, b);
        return activation ? activate8(v, *activation) : v;
    };
    const __m256 zero = _mm256_setzero_ps();
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 v = value(_mm256_loadu_ps(c + i), bias ? _mm256_loadu_ps(bias + i) : zero);
        if (residual) v = _mm256_add_ps(v, _mm256_loadu_ps(residual + i));
        _mm256_storeu_ps(y + i, v);
    }
    if (i == n) return;
    __m256 v = value(load_some(c + i, n - i), bias ? load_some(bias + i, n - i) : zero);
    if (residual) v = _mm256_add_ps(v, load_some(residual + i, n - i));
    store_some(y + i, v, n - i);
}

void layer_norm(const float * x, int64_t n, float eps, const float * weight, const float * bias, float * y) {
    // sums of 8 x 4 lanes stay within a few ulp of double over rows of a few thousand
    const auto total = [n](auto term) {
        __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
        int64_t i = 0;
        for (; i + 32 <= n; i += 32) {
            s0 = _mm256_add_ps(s0, term(i)), s1 = _mm256_add_ps(s1, term(i + 8));
            s2 = _mm256_add_ps(s2, term(i + 16)), s3 = _mm256_add_ps(s3, term(i + 24));
        }
        for (; i + 8 <= n; i += 8) s0 = _mm256_add_ps(s0, term(i));
        return std::pair<float, int64_t>(sum8(_mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3))), i);
    };
    auto [sum, done] = total([x](int64_t i) { return _mm256_loadu_ps(x + i); });
    for (int64_t i = done; i < n; ++i) sum += x[i];
    const float mean = sum / static_cast<float>(n);
    const __m256 mean8 = _mm256_set1_ps(mean);
    auto [squares, rest] = total([x, mean8](int64_t i) {
        const __m256 d = _mm256_sub_ps(_mm256_loadu_ps(x + i), mean8);
        return _mm256_mul_ps(d, d);
    });
    for (int64_t i = rest; i < n; ++i) squares += (x[i] - mean) * (x[i] - mean);
    const float scale = 1.0f / std::sqrt(squares / static_cast<float>(n) + eps);
    const __m256 scale8 = _mm256_set1_ps(scale);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m256 v = _mm256_mul_ps(_mm256_sub_ps(_mm256_loadu_ps(x + i), mean8), scale8);
        _mm256_storeu_ps(y + i, _mm256_fmadd_ps(v, _mm256_loadu_ps(weight + i), _mm256_loadu_ps(bias + i)));
    }
    for (; i < n; ++i) y[i] = (x[i] - mean) * scale * weight[i] + bias[i];
}

float softmax(float * x, int64_t n, float scale) {
    const int64_t n_padded = (n + output_tile - 1) / output_tile * output_tile;
    std::fill(x + n, x + n_padded, -INFINITY);
    __m256 most = _mm256_loadu_ps(x);
    for (int64_t i = 8; i < n_padded; i += 8) most = _mm256_max_ps(most, _mm256_loadu_ps(x + i));
    const __m256 largest = _mm256_set1_ps(max8(most)), factor = _mm256_set1_ps(scale);
    __m256 sum = _mm256_setzero_ps();
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m256 e = exp8(_mm256_mul_ps(factor, _mm256_sub_ps(_mm256_loadu_ps(x + i), largest)));
        sum = _mm256_add_ps(sum, e);
        _mm256_storeu_ps(x + i, e);
    }
    float total = sum8(sum);
    if (i < n) {
        const __m256 e = exp8(_mm256_mul_ps(factor, _mm256_sub_ps(load_some(x + i, n - i), largest)));
        store_some(x + i, e, n - i);
        for (; i < n; ++i) total += x[i];
    }
    std::fill(x + n, x + n_padded, 0.0f);
    return total;
}

}  // namespace altclip::avx2

#endif

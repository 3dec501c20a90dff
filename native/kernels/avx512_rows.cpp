#if defined(__x86_64__) || defined(_M_X64)

#include "kernels/avx512_rows.h"

#include <cmath>

#include "kernels/avx512_math.h"
#include "kernels/avx512_pack.h"
#include "kernels/avx512_tile.h"

namespace altclip::avx512 {

namespace {

/// finish() with an activation that is known, so that nothing is asked value by value.
template <typename Activate>
void finish_by(const Activate & activate, const float * c, int64_t n, const float * bias, const float * residual,
               float * y) {
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m512 v = _mm512_loadu_ps(c + i);
        if (bias) v = _mm512_add_ps(v, _mm512_loadu_ps(bias + i));
        v = activate(v);
        if (residual) v = _mm512_add_ps(v, _mm512_loadu_ps(residual + i));
        _mm512_storeu_ps(y + i, v);
    }
    if (i == n) return;
    const __mmask16 rest = lanes(n - i);
    __m512 v = _mm512_maskz_loadu_ps(rest, c + i);
    if (bias) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(rest, bias + i));
    v = activate(v);
    if (residual) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(rest, residual + i));
    _mm512_mask_storeu_ps(y + i, rest, v);
}

__m512 gelu_tanh16(__m512 x) {
    const __m512 inner = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_set1_ps(0.044715f), x), _mm512_mul_ps(x, x), x);
    return gate16(x, _mm512_mul_ps(_mm512_set1_ps(1.5957691216057308f), inner));
}

auto floats(const float * x, int64_t ld, int64_t n_in) {
    return [x, ld, n_in](int64_t r, int64_t i) { return load_up_to(x + r * ld, i, n_in); };
}

}  // namespace

void pack_f32(const float * x, int64_t ld, int64_t n_rows, int64_t n_in, float * out) {
    pack_words<token_tile>(floats(x, ld, n_in), n_rows, n_rows, n_in, out);
}

void tile_of_rows(const float * x, int64_t ld, int64_t n, int64_t n_in, float * out) {
    pack_words<output_tile>(floats(x, ld, n_in), n, output_tile, n_in, out);
}

void finish(const float * c, int64_t n, const float * bias, const std::optional<Activation> & activation,
            const float * residual, float * y) {
    const auto by = [&](const auto & activate) { finish_by(activate, c, n, bias, residual, y); };
    if (!activation) return by([](__m512 x) { return x; });
    switch (*activation) {
        case Activation::gelu_erf: return by([](__m512 x) { return gelu_erf16(x); });
        case Activation::gelu_tanh: return by([](__m512 x) { return gelu_tanh16(x); });
        case Activation::quick_gelu:
            return by([](__m512 x) { return gate16(x, _mm512_mul_ps(_mm512_set1_ps(1.702f), x)); });
        case Activation::relu: return by([](__m512 x) { return _mm512_max_ps(_mm512_setzero_ps(), x); });
        case Activation::silu: return by([](__m512 x) { return gate16(x, x); });
    }
}

void layer_norm(const float * x, int64_t n, float eps, const float * weight, const float * bias, float * y) {
    // sums of 16 x 4 lanes stay within a few ulp of double over rows of a few thousand
    const auto total = [x, n](const auto & term) {
        __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
        int64_t i = 0;
        for (; i + 64 <= n; i += 64) {
            s0 = _mm512_add_ps(s0, term(_mm512_loadu_ps(x + i)));
            s1 = _mm512_add_ps(s1, term(_mm512_loadu_ps(x + i + 16)));
            s2 = _mm512_add_ps(s2, term(_mm512_loadu_ps(x + i + 32)));
            s3 = _mm512_add_ps(s3, term(_mm512_loadu_ps(x + i + 48)));
        }
        for (; i < n; i += 16) {
            const __mmask16 some = lanes(n - i);
            s0 = _mm512_mask_add_ps(s0, some, s0, term(_mm512_maskz_loadu_ps(some, x + i)));
        }
        return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)));
    };
    const __m512 mean = _mm512_set1_ps(total([](__m512 v) { return v; }) / static_cast<float>(n));
    const float squares = total([mean](__m512 v) {
        const __m512 d = _mm512_sub_ps(v, mean);
        return _mm512_mul_ps(d, d);
    });
    const __m512 scale = _mm512_set1_ps(1.0f / std::sqrt(squares / static_cast<float>(n) + eps));
    for (int64_t i = 0; i < n; i += 16) {
        const __mmask16 some = lanes(n - i);
        const __m512 v = _mm512_mul_ps(_mm512_sub_ps(_mm512_maskz_loadu_ps(some, x + i), mean), scale);
        _mm512_mask_storeu_ps(
            y + i, some,
            _mm512_fmadd_ps(v, _mm512_maskz_loadu_ps(some, weight + i), _mm512_maskz_loadu_ps(some, bias + i)));
    }
}

float softmax(float * x, int64_t n, float scale) {
    __m512 most = _mm512_set1_ps(-INFINITY);
    for (int64_t i = 0; i < n; i += 16) {
        const __mmask16 some = lanes(n - i);
        most = _mm512_mask_max_ps(most, some, most, _mm512_maskz_loadu_ps(some, x + i));
    }
    const __m512 largest = _mm512_set1_ps(_mm512_reduce_max_ps(most)), factor = _mm512_set1_ps(scale);
    __m512 sum = _mm512_setzero_ps();
    for (int64_t i = 0; i < n; i += 16) {
        const __mmask16 some = lanes(n - i);
        const __m512 v = _mm512_mul_ps(factor, _mm512_sub_ps(_mm512_maskz_loadu_ps(some, x + i), largest));
        const __m512 e = _mm512_maskz_mov_ps(some, exp16(v));
        sum = _mm512_add_ps(sum, e);
        _mm512_storeu_ps(x + i, e);
    }
    return _mm512_reduce_add_ps(sum);
}

}  // namespace altclip::avx512

#endif

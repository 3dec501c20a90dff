#if defined(__aarch64__) || defined(_M_ARM64)

#include "kernels/neon_rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/kernels.h"
#include "kernels/neon_math.h"

namespace altclip::neon {

namespace {

/// Four rows of four columns become four groups of four.
template <int64_t Tile>
inline void transpose_4x4(const float * x, int64_t ld, float * out) {
    const float32x4_t x0 = vld1q_f32(x), x1 = vld1q_f32(x + ld), x2 = vld1q_f32(x + 2 * ld), x3 = vld1q_f32(x + 3 * ld);
    const float32x4_t low02 = vzip1q_f32(x0, x2), high02 = vzip2q_f32(x0, x2);
    const float32x4_t low13 = vzip1q_f32(x1, x3), high13 = vzip2q_f32(x1, x3);
    vst1q_f32(out, vzip1q_f32(low02, low13));
    vst1q_f32(out + Tile, vzip2q_f32(low02, low13));
    vst1q_f32(out + 2 * Tile, vzip1q_f32(high02, high13));
    vst1q_f32(out + 3 * Tile, vzip2q_f32(high02, high13));
}

/// The same for two rows.
template <int64_t Tile>
inline void transpose_2x4(const float * x, int64_t ld, float * out) {
    const float32x4_t x0 = vld1q_f32(x), x1 = vld1q_f32(x + ld);
    const float32x4_t low = vzip1q_f32(x0, x1), high = vzip2q_f32(x0, x1);
    vst1_f32(out, vget_low_f32(low));
    vst1_f32(out + Tile, vget_high_f32(low));
    vst1_f32(out + 2 * Tile, vget_low_f32(high));
    vst1_f32(out + 3 * Tile, vget_high_f32(high));
}

/// n <= 4 values, the others zero.
inline float32x4_t load_some(const float * x, int64_t n) {
    float values[4] = {};
    std::memcpy(values, x, static_cast<size_t>(n) * sizeof(float));
    return vld1q_f32(values);
}
inline void store_some(float * y, float32x4_t v, int64_t n) {
    float values[4];
    vst1q_f32(values, v);
    std::memcpy(y, values, static_cast<size_t>(n) * sizeof(float));
}

inline float32x4_t activate4(float32x4_t x, Activation activation) {
    switch (activation) {
        case Activation::gelu_erf: return gelu_erf4(x);
        case Activation::gelu_tanh: {
            const float32x4_t inner = vfmaq_f32(x, vmulq_n_f32(x, 0.044715f), vmulq_f32(x, x));
            return gate4(x, vmulq_n_f32(inner, 1.5957691216057308f));
        }
        case Activation::quick_gelu: return gate4(x, vmulq_n_f32(x, 1.702f));
        case Activation::relu: return vmaxq_f32(x, vdupq_n_f32(0.0f));
        case Activation::silu: return gate4(x, x);
    }
    return x;
}

template <int64_t Tile>
void pack(const float * x, int64_t ld, int64_t n_rows, int64_t n_in, float * out) {
    int64_t i = 0;
    for (; i + 4 <= n_in; i += 4) {
        int64_t r = 0;
        for (; r + 4 <= n_rows; r += 4) transpose_4x4<Tile>(x + r * ld + i, ld, out + i * Tile + r);
        for (; r + 2 <= n_rows; r += 2) transpose_2x4<Tile>(x + r * ld + i, ld, out + i * Tile + r);
        if (r < n_rows) {
            for (int64_t j = i; j < i + 4; ++j) out[j * Tile + r] = x[r * ld + j];
        }
    }
    for (; i < n_in; ++i) {
        for (int64_t r = 0; r < n_rows; ++r) out[i * Tile + r] = x[r * ld + i];
    }
}

}  // namespace

void pack_f32(const float * x, int64_t ld, int64_t n_rows, int64_t n_in, float * out) {
    pack<token_tile>(x, ld, n_rows, n_in, out);
}

void tile_of_rows(const float * x, int64_t ld, int64_t n, int64_t n_in, float * out) {
    if (n < output_tile) std::fill_n(out, n_in * output_tile, 0.0f);
    pack<output_tile>(x, ld, n, n_in, out);
}

float largest_magnitude(const float * x, int64_t n) {
    float32x4_t most = vdupq_n_f32(0.0f);
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) most = vmaxq_f32(most, vabsq_f32(vld1q_f32(x + i)));
    float largest = vmaxvq_f32(most);
    for (; i < n; ++i) {
        const float size = std::fabs(x[i]);
        if (size > largest || std::isnan(size)) largest = size;  // no number stays none
    }
    return largest;
}

void finish(const float * c, int64_t n, const float * bias, const std::optional<Activation> & activation,
            const float * residual, float * y) {
    const auto value = [&](float32x4_t v, float32x4_t b) {
        v = vaddq_f32(v, b);
        return activation ? activate4(v, *activation) : v;
    };
    const float32x4_t zero = vdupq_n_f32(0.0f);
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        float32x4_t v = value(vld1q_f32(c + i), bias ? vld1q_f32(bias + i) : zero);
        if (residual) v = vaddq_f32(v, vld1q_f32(residual + i));
        vst1q_f32(y + i, v);
    }
    if (i == n) return;
    float32x4_t v = value(load_some(c + i, n - i), bias ? load_some(bias + i, n - i) : zero);
    if (residual) v = vaddq_f32(v, load_some(residual + i, n - i));
    store_some(y + i, v, n - i);
}

void layer_norm(const float * x, int64_t n, float eps, const float * weight, const float * bias, float * y) {
    // sums of 4 x 4 lanes stay within a few ulp of double over rows of a few thousand
    const auto total = [n](auto term) {
        float32x4_t s[4] = {vdupq_n_f32(0.0f), vdupq_n_f32(0.0f), vdupq_n_f32(0.0f), vdupq_n_f32(0.0f)};
        int64_t i = 0;
        for (; i + 16 <= n; i += 16) {
            for (int64_t j = 0; j < 4; ++j) s[j] = vaddq_f32(s[j], term(i + 4 * j));
        }
        for (; i + 4 <= n; i += 4) s[0] = vaddq_f32(s[0], term(i));
        return std::pair<float, int64_t>(vaddvq_f32(vaddq_f32(vaddq_f32(s[0], s[1]), vaddq_f32(s[2], s[3]))), i);
    };
    auto [sum, done] = total([x](int64_t i) { return vld1q_f32(x + i); });
    for (int64_t i = done; i < n; ++i) sum += x[i];
    const float mean = sum / static_cast<float>(n);
    const float32x4_t mean4 = vdupq_n_f32(mean);
    auto [squares, rest] = total([x, mean4](int64_t i) {
        const float32x4_t d = vsubq_f32(vld1q_f32(x + i), mean4);
        return vmulq_f32(d, d);
    });
    for (int64_t i = rest; i < n; ++i) squares += (x[i] - mean) * (x[i] - mean);
    const float scale = 1.0f / std::sqrt(squares / static_cast<float>(n) + eps);
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const float32x4_t v = vmulq_n_f32(vsubq_f32(vld1q_f32(x + i), mean4), scale);
        vst1q_f32(y + i, vfmaq_f32(vld1q_f32(bias + i), v, vld1q_f32(weight + i)));
    }
    for (; i < n; ++i) y[i] = (x[i] - mean) * scale * weight[i] + bias[i];
}

float softmax(float * x, int64_t n, float scale) {
    const int64_t n_padded = (n + output_tile - 1) / output_tile * output_tile;
    std::fill(x + n, x + n_padded, -INFINITY);
    float32x4_t most = vld1q_f32(x);
    for (int64_t i = 4; i < n_padded; i += 4) most = vmaxq_f32(most, vld1q_f32(x + i));
    const float32x4_t largest = vdupq_n_f32(vmaxvq_f32(most));
    const auto weights = [&](float32x4_t v) { return exp4(vmulq_n_f32(vsubq_f32(v, largest), scale)); };
    float32x4_t sum = vdupq_n_f32(0.0f);
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const float32x4_t e = weights(vld1q_f32(x + i));
        sum = vaddq_f32(sum, e);
        vst1q_f32(x + i, e);
    }
    float total = vaddvq_f32(sum);
    if (i < n) {
        store_some(x + i, weights(load_some(x + i, n - i)), n - i);
        for (; i < n; ++i) total += x[i];
    }
    std::fill(x + n, x + n_padded, 0.0f);
    return total;
}

}  // namespace altclip::neon

#endif

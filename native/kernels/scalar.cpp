// The reference: what every other table is tested against, and what runs where there is no better one.
#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstring>

#include "ggml.h"
#include "kernels/kernels.h"

namespace altclip {

namespace {

constexpr int64_t token_tile = 6;

void pack_f32(const float * x, int64_t ld, int64_t n_rows, int64_t n_in, float * out) {
    for (int64_t i = 0; i < n_in; ++i) {
        for (int64_t r = 0; r < n_rows; ++r) out[i * token_tile + r] = x[r * ld + i];
    }
}

void tile_of_rows(const float * x, int64_t ld, int64_t n, int64_t n_in, float * out) {
    for (int64_t i = 0; i < n_in; ++i) {
        for (int64_t r = 0; r < output_tile; ++r) *out++ = r < n ? x[r * ld + i] : 0.0f;
    }
}

void pack_i16(const float * x, int64_t ld, int64_t n_rows, int64_t n_in, int32_t * out) {
    for (int64_t begin = 0; begin < n_in; begin += integer_run, out += integer_run_words * token_tile) {
        const int64_t n = std::min(integer_run, n_in - begin);
        for (int64_t r = 0; r < n_rows; ++r) {
            const float * row = x + r * ld + begin;
            float largest = 0;
            for (int64_t i = 0; i < n; ++i) {
                const float size = std::fabs(row[i]);
                if (size > largest || std::isnan(size)) largest = size;  // no number stays none
            }
            const float scale = largest / static_cast<float>(activation_max);
            const float inverse = scale < FLT_MIN ? 0.0f : 1 / scale;  // below, it has no inverse: then all are zero
            const auto rounded = [&](int64_t i) {
                return static_cast<int16_t>(i < n ? std::lrintf(row[i] * inverse) : 0);
            };
            for (int64_t i = 0; i < n || i % integer_step != 0; i += 2) {
                const int16_t pair[2] = {rounded(i), rounded(i + 1)};
                std::memcpy(&out[i / 2 * token_tile + r], pair, sizeof(pair));
            }
            std::memcpy(&out[integer_run / 2 * token_tile + r], &scale, sizeof(scale));
        }
    }
}

void widen_bf16(const uint16_t * x, int64_t n_pairs, const float * output_scales, int16_t * out) {
    for (int64_t i = 0; i < n_pairs * output_tile * 2; ++i) {
        const float scale = output_scales[i / 2 % output_tile];
        out[i] = static_cast<int16_t>(scale > 0 ? std::lrintf(ggml_bf16_to_fp32({x[i]}) * (1 / scale)) : 0);
    }
}

/// q multiplier / 128 as vpmulhrsw of q * 256: rounded to nearest, halves up.
int16_t scaled(int q, uint16_t multiplier) {
    return static_cast<int16_t>((q * 256 * static_cast<int16_t>(multiplier) + (1 << 14)) >> 15);
}

void widen_q8(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    for (int64_t block = 0; block < n_blocks; ++block, blocks += q8_block_bytes, out += q8_block * output_tile) {
        uint16_t multipliers[output_tile];
        std::memcpy(multipliers, blocks, sizeof(multipliers));
        const auto * q = reinterpret_cast<const int8_t *>(blocks + sizeof(multipliers));
        for (int64_t i = 0; i < q8_block * output_tile; ++i) out[i] = scaled(q[i], multipliers[i / 2 % output_tile]);
    }
}

template <int n_bits, bool with_minimum, int64_t block_bytes>
void widen_low_bits(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    constexpr int64_t n_numbers = (block_bytes - 32 * output_tile * n_bits / 8) / (output_tile * 2);
    constexpr int n_high = n_bits - 4;
    for (int64_t block = 0; block < n_blocks; ++block, blocks += block_bytes, out += 32 * output_tile) {
        uint16_t numbers[2 * output_tile], low[128], high[16 * 4];
        std::memcpy(numbers, blocks, n_numbers * output_tile * 2);
        std::memcpy(low, blocks + n_numbers * output_tile * 2, sizeof(low));
        std::memcpy(high, blocks + n_numbers * output_tile * 2 + sizeof(low), n_high * 64);
        for (int vector = 0; vector < 32; ++vector) {
            for (int lane = 0; lane < 16; ++lane) {
                int q = low[vector / 4 * 16 + lane] >> vector % 4 * 4 & 15;
                if constexpr (n_high > 0) {
                    constexpr int n_vectors = 16 / n_high;
                    q |= (high[vector / n_vectors * 16 + lane] >> vector % n_vectors * n_high & ((1 << n_high) - 1))
                         << 4;
                }
                const int64_t output = vector % 2 * 8 + lane / 2;
                if constexpr (with_minimum) {
                    const auto value = static_cast<int16_t>(q * numbers[output] - numbers[output_tile + output]);
                    out[vector * 16 + lane] = static_cast<int16_t>((value + low_bits_unit / 2) >> 2);
                } else {
                    const uint16_t multiplier = numbers[vector / 16 * (n_numbers - 1) * output_tile + output];
                    out[vector * 16 + lane] = scaled((q - (1 << (n_bits - 1))) * (1 << (8 - n_bits)), multiplier);
                }
            }
        }
    }
}

/// What lies in c to the outputs.
void leave(const float * c, int64_t ldc, int64_t n_rows, const Outputs & outputs) {
    for (int64_t r = 0; r < n_rows; ++r) {
        const float * residual = outputs.residual ? outputs.residual + r * outputs.ld_residual : nullptr;
        for (int64_t j = 0; j < output_tile; ++j) {
            const float value = outputs.bias ? c[r * ldc + j] + outputs.bias[j] : c[r * ldc + j];
            outputs.y[r * outputs.ld + j] = residual ? value + residual[j] : value;
        }
    }
}

void product_f32(int64_t n_rows, int64_t /*n_tiles*/, int64_t k, const float * a, const float * b, int64_t ldb,
                 int64_t /*next*/, float * c, int64_t ldc, bool accumulate, const Outputs * outputs,
                 const Ahead & /*ahead*/) {
    for (int64_t r = 0; r < n_rows; ++r) {
        float sums[output_tile] = {};
        for (int64_t i = 0; i < k; ++i) {
            for (int64_t j = 0; j < output_tile; ++j) sums[j] += a[i * token_tile + r] * b[i * ldb + j];
        }
        for (int64_t j = 0; j < output_tile; ++j) c[r * ldc + j] = accumulate ? c[r * ldc + j] + sums[j] : sums[j];
    }
    if (outputs) leave(c, ldc, n_rows, *outputs);
}

void product_i16(int64_t n_rows, int64_t /*n_tiles*/, int64_t k, const int32_t * a, const int16_t * b, int64_t /*next*/,
                 const float * output_scales, float * c, int64_t ldc, bool accumulate, const Outputs * outputs,
                 const Ahead & /*ahead*/) {
    for (int64_t begin = 0; begin < k; begin += integer_run, a += integer_run_words * token_tile) {
        const int64_t n_pairs = std::min(integer_run, k - begin) / 2;
        float token_scales[token_tile];
        std::memcpy(token_scales, a + integer_run / 2 * token_tile, sizeof(token_scales));
        for (int64_t r = 0; r < n_rows; ++r) {
            int64_t sums[output_tile] = {};  // a hostile file's weights may exceed weight_max
            for (int64_t i = 0; i < n_pairs; ++i) {
                int16_t pair[2];
                std::memcpy(pair, &a[i * token_tile + r], sizeof(pair));
                for (int64_t j = 0; j < output_tile; ++j) {
                    const int16_t * w = b + begin * output_tile + (i * output_tile + j) * 2;
                    sums[j] += int64_t{pair[0]} * w[0] + int64_t{pair[1]} * w[1];
                }
            }
            for (int64_t j = 0; j < output_tile; ++j) {
                float & target = c[r * ldc + j];
                const float value = static_cast<float>(sums[j]) * token_scales[r];
                target = accumulate || begin > 0 ? target + value : value;
                if (output_scales && begin + integer_run >= k) target *= output_scales[j];
            }
        }
    }
    if (outputs) leave(c, ldc, n_rows, *outputs);
}

float activate(float x, Activation activation) {
    switch (activation) {
        case Activation::gelu_erf: return 0.5f * x * (1.0f + std::erf(x * 0.70710678118654752f));
        case Activation::gelu_tanh: return x / (1.0f + std::exp(-1.5957691216057308f * (x + 0.044715f * x * x * x)));
        case Activation::quick_gelu: return x / (1.0f + std::exp(-1.702f * x));
        case Activation::relu: return std::max(x, 0.0f);
        case Activation::silu: return x / (1.0f + std::exp(-x));
    }
    return x;
}

void finish(const float * c, int64_t n, const float * bias, const std::optional<Activation> & activation,
            const float * residual, float * y) {
    for (int64_t i = 0; i < n; ++i) {
        float value = bias ? c[i] + bias[i] : c[i];
        if (activation) value = activate(value, *activation);
        y[i] = residual ? value + residual[i] : value;
    }
}

void layer_norm(const float * x, int64_t n, float eps, const float * weight, const float * bias, float * y) {
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; ++i) sum += x[i];
    const auto mean = static_cast<float>(sum / static_cast<double>(n));
    for (int64_t i = 0; i < n; ++i) squares += static_cast<double>(x[i] - mean) * (x[i] - mean);
    const float scale = 1.0f / std::sqrt(static_cast<float>(squares / static_cast<double>(n)) + eps);
    for (int64_t i = 0; i < n; ++i) y[i] = (x[i] - mean) * scale * weight[i] + bias[i];
}

float softmax(float * x, int64_t n, float scale) {
    const float largest = *std::max_element(x, x + n);
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += x[i] = std::exp(scale * (x[i] - largest));
    std::fill(x + n, x + (n + output_tile - 1) / output_tile * output_tile, 0.0f);
    return static_cast<float>(sum);
}

}  // namespace

const KernelTable scalar_kernels = {token_tile,
                                    1,
                                    1024,
                                    pack_f32,
                                    tile_of_rows,
                                    pack_i16,
                                    widen_bf16,
                                    widen_q8,
                                    widen_low_bits<4, false, q4_0_block_bytes>,
                                    widen_low_bits<4, true, q4_k_block_bytes>,
                                    widen_low_bits<5, true, q5_k_block_bytes>,
                                    widen_low_bits<6, false, q6_k_block_bytes>,
                                    product_f32,
                                    product_i16,
                                    finish,
                                    layer_norm,
                                    softmax};

}  // namespace altclip

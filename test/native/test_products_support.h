// Weight matrices, their products by the kernels, and the same in double.
#pragma once

#include <algorithm>
#include <cmath>

#include "kernels/huge_pages.h"
#include "kernels/linear.h"
#include "test_kernels_support.h"

namespace altclip::test {

/// A weight matrix in ggml's rows and what those rows stand for.
struct Matrix {
    ggml_type type;
    int64_t n_in, n_out;
    std::vector<std::byte> rows;
    std::vector<float> exact;
};

inline Matrix quantize(ggml_type type, int64_t n_in, int64_t n_out, const std::vector<float> & values) {
    Matrix m{type, n_in, n_out, std::vector<std::byte>(ggml_row_size(type, n_in) * static_cast<size_t>(n_out)), {}};
    ggml_quantize_chunk(type, values.data(), m.rows.data(), 0, n_out, n_in, nullptr);
    m.exact = values;
    if (type != GGML_TYPE_F32) ggml_get_type_traits(type)->to_float(m.rows.data(), m.exact.data(), n_in * n_out);
    return m;
}

inline Matrix make_matrix(ggml_type type, int64_t n_in, int64_t n_out) {
    return quantize(type, n_in, n_out, noise(n_in * n_out, 0.05f));
}

inline PackedWeight packed_weight(const Matrix & m) {
    const size_t n_bytes = PackedWeight::n_bytes(m.type, m.n_in, m.n_out);
    const std::shared_ptr<std::byte> memory = huge_pages(n_bytes);
    std::fill_n(memory.get(), n_bytes, std::byte{0x7f});  // nothing that pack() leaves as it was may count
    PackedWeight weight(m.type, m.n_in, m.n_out, memory);
    weight.pack(m.rows.data(), 0, weight.n_tiles());
    return weight;
}

inline std::vector<float> run_product(Isa isa, const Matrix & m, const std::vector<float> & x, int64_t n_rows,
                                      std::optional<Activation> activation, const std::vector<float> & bias,
                                      const std::vector<float> & residual, Precision precision = Precision::fine) {
    const KernelTable & kernels = kernel_table(isa);
    const PackedWeight weight = packed_weight(m);
    const Operand operand = operand_of(kernels, m.type, precision);
    std::vector<float> packed(static_cast<size_t>(packed_rows_size(kernels, operand, m.n_in, n_rows)));
    for (int i = 0; i < 3; ++i) pack_rows(kernels, operand, x.data(), m.n_in, n_rows, m.n_in, packed.data(), i, 3);
    LinearTask task;
    task.kernels = &kernels;
    task.operand = operand;
    task.parts[0] = {&weight, bias.data(), 0};
    task.activation = activation;
    std::vector<float> y(static_cast<size_t>(n_rows * m.n_out));
    run_linear(task, packed.data(), n_rows, {residual.data(), m.n_out, y.data(), m.n_out});
    return y;
}

inline std::vector<float> exact_product(const Matrix & m, const std::vector<float> & x, int64_t n_rows,
                                        const std::vector<float> & bias, const std::vector<float> & residual) {
    std::vector<float> y(static_cast<size_t>(n_rows * m.n_out));
    for (int64_t r = 0; r < n_rows; ++r) {
        for (int64_t o = 0; o < m.n_out; ++o) {
            double sum = bias[static_cast<size_t>(o)];
            for (int64_t i = 0; i < m.n_in; ++i) {
                sum += static_cast<double>(x[static_cast<size_t>(r * m.n_in + i)]) *
                       m.exact[static_cast<size_t>(o * m.n_in + i)];
            }
            y[static_cast<size_t>(r * m.n_out + o)] =
                static_cast<float>(sum + residual[static_cast<size_t>(r * m.n_out + o)]);
        }
    }
    return y;
}

inline double relative_error(const std::vector<float> & got, const std::vector<float> & expected) {
    double error = 0, size = 0;
    for (size_t i = 0; i < got.size(); ++i) {
        error += std::pow(static_cast<double>(got[i]) - expected[i], 2);
        size += std::pow(static_cast<double>(expected[i]), 2);
    }
    return std::sqrt(error / size);
}

/// Rows of n_in values, in runs of 128 with one centre, whole steps, and one scale; what a last run lacks is 0.
inline void round_to_i8(std::vector<float> & x, int64_t n_in) {
    for (auto row = x.begin(); row != x.end(); row += n_in) {
        for (int64_t first = 0; first < n_in; first += i8_run) {
            const auto begin = row + first, end = row + std::min(first + i8_run, n_in);
            auto [low, high] = std::minmax_element(begin, end);
            const bool whole = end - begin == i8_run;
            const float smallest = whole ? *low : std::min(*low, 0.0f), largest = whole ? *high : std::max(*high, 0.0f);
            const float scale = std::max((largest - smallest) / 255, std::max(largest, -smallest) / 254);
            const float centre = std::nearbyint(std::clamp(largest / scale - 127, -127.0f, 127.0f));
            for (auto value = begin; value != end && scale > 0; ++value)
                *value = (centre + std::clamp(std::nearbyint(*value / scale - centre), -128.0f, 127.0f)) * scale;
        }
    }
}

/// x as a product takes it.
inline std::vector<float> taken(Isa isa, const Matrix & m, std::vector<float> x, Precision precision) {
    const Operand operand = operand_of(kernel_table(isa), m.type, precision);
    if (operand == Operand::bf16) round_to_bf16(x);
    if (operand == Operand::i8) round_to_i8(x, m.n_in);
    return x;
}

/// Whether a product's weights are bytes that are nearest to their values: 64 inputs of fewer bits have one multiplier.
inline bool rounds_weights(Isa isa, ggml_type type, Precision precision) {
    return operand_of(kernel_table(isa), type, precision) == Operand::i8 &&
           (type == GGML_TYPE_Q4_0 || type == GGML_TYPE_Q4_K || type == GGML_TYPE_Q5_K);
}

inline constexpr Precision precisions[] = {Precision::fine, Precision::coarse};

}  // namespace altclip::test

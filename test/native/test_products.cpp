// Matrix products of every instruction set this machine has against sums in double: random and adversarial shapes,
// outliers, numbers at their limits.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>

#include "kernels/huge_pages.h"
#include "kernels/linear.h"
#include "test_kernels_support.h"

using namespace altclip;
using namespace altclip::test;

namespace {

/// A weight matrix in ggml's rows and what those rows stand for.
struct Matrix {
    ggml_type type;
    int64_t n_in, n_out;
    std::vector<std::byte> rows;
    std::vector<float> exact;
};

Matrix quantize(ggml_type type, int64_t n_in, int64_t n_out, const std::vector<float> & values) {
    Matrix m{type, n_in, n_out, std::vector<std::byte>(ggml_row_size(type, n_in) * static_cast<size_t>(n_out)), {}};
    ggml_quantize_chunk(type, values.data(), m.rows.data(), 0, n_out, n_in, nullptr);
    m.exact = values;
    if (type != GGML_TYPE_F32) ggml_get_type_traits(type)->to_float(m.rows.data(), m.exact.data(), n_in * n_out);
    return m;
}

Matrix make_matrix(ggml_type type, int64_t n_in, int64_t n_out) {
    return quantize(type, n_in, n_out, noise(n_in * n_out, 0.05f));
}

PackedWeight packed_weight(const Matrix & m) {
    const size_t n_bytes = PackedWeight::n_bytes(m.type, m.n_in, m.n_out);
    const std::shared_ptr<std::byte> memory = huge_pages(n_bytes);
    std::fill_n(memory.get(), n_bytes, std::byte{0x7f});  // nothing that pack() leaves as it was may count
    PackedWeight weight(m.type, m.n_in, m.n_out, memory);
    weight.pack(m.rows.data(), 0, weight.n_tiles());
    return weight;
}

std::vector<float> run_product(Isa isa, const Matrix & m, const std::vector<float> & x, int64_t n_rows,
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

std::vector<float> exact_product(const Matrix & m, const std::vector<float> & x, int64_t n_rows,
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

double relative_error(const std::vector<float> & got, const std::vector<float> & expected) {
    double error = 0, size = 0;
    for (size_t i = 0; i < got.size(); ++i) {
        error += std::pow(static_cast<double>(got[i]) - expected[i], 2);
        size += std::pow(static_cast<double>(expected[i]), 2);
    }
    return std::sqrt(error / size);
}

/// Rows of n_in values, in runs of 128 with one centre, whole steps, and one scale; what a last run lacks is 0.
void round_to_i8(std::vector<float> & x, int64_t n_in) {
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
std::vector<float> taken(Isa isa, const Matrix & m, std::vector<float> x, Precision precision) {
    const Operand operand = operand_of(kernel_table(isa), m.type, precision);
    if (operand == Operand::bf16) round_to_bf16(x);
    if (operand == Operand::i8) round_to_i8(x, m.n_in);
    return x;
}

/// Whether a product's weights are bytes that are nearest to their values: 64 inputs of fewer bits have one multiplier.
bool rounds_weights(Isa isa, ggml_type type, Precision precision) {
    return operand_of(kernel_table(isa), type, precision) == Operand::i8 &&
           (type == GGML_TYPE_Q4_0 || type == GGML_TYPE_Q4_K || type == GGML_TYPE_Q5_K);
}

struct Shape {
    int64_t n_in, n_out, n_rows;
};
constexpr Precision precisions[] = {Precision::fine, Precision::coarse};
constexpr ggml_type integer_types[] = {GGML_TYPE_F16,  GGML_TYPE_BF16, GGML_TYPE_Q8_0, GGML_TYPE_Q6_K,
                                       GGML_TYPE_Q5_K, GGML_TYPE_Q4_K, GGML_TYPE_Q4_0};
constexpr ggml_type weight_types[] = {GGML_TYPE_F32,  GGML_TYPE_F16,  GGML_TYPE_BF16, GGML_TYPE_Q8_0,
                                      GGML_TYPE_Q6_K, GGML_TYPE_Q5_K, GGML_TYPE_Q4_K, GGML_TYPE_Q4_0};
// none, one and many tiles; nothing a multiple of anything where the type allows it; more than one block of inputs and
// tokens
constexpr Shape shapes[] = {{32, 16, 1}, {64, 40, 5}, {96, 17, 7}, {1056, 33, 13}, {2080, 15, 280}, {128, 100, 541}};

}  // namespace

TEST("products of every weight type against sums in double") {
    for (const Isa isa : supported_isas()) {
        for (const ggml_type type : weight_types) {
            for (Shape shape : shapes) {
                if (!ggml_is_quantized(type)) shape.n_in -= 3;
                shape.n_in = std::max(shape.n_in / ggml_blck_size(type), int64_t{1}) * ggml_blck_size(type);
                const Matrix m = make_matrix(type, shape.n_in, shape.n_out);
                const std::vector<float> x = noise(shape.n_in * shape.n_rows);
                const std::vector<float> bias = noise(shape.n_out), residual = noise(shape.n_out * shape.n_rows);
                for (const Precision precision : precisions) {
                    const double error =
                        relative_error(run_product(isa, m, x, shape.n_rows, {}, bias, residual, precision),
                                       exact_product(m, taken(isa, m, x, precision), shape.n_rows, bias, residual));
                    const Operand operand = operand_of(kernel_table(isa), type, precision);
                    const bool exact = type == GGML_TYPE_F32 || (type == GGML_TYPE_BF16 && operand != Operand::i16);
                    // integers: 14-bit weights and 12-bit activations beside q8_0's own 5e-3; bytes of 64 inputs have
                    // steps of a 127th of their largest, some 3 times the others: 3 / 127 / sqrt(12)
                    const double bound = exact ? 1e-6 : rounds_weights(isa, type, precision) ? 7e-3 : 8e-4;
                    at_most(error, bound, isa, std::string(ggml_type_name(type)) + " product");
                }
            }
        }
    }
}

TEST(
    "products of every type that becomes integers with zero blocks, outliers and blocks of one sign, one token and "
    "many") {
    for (const Isa isa : supported_isas()) {
        for (const ggml_type type : integer_types) {
            constexpr int64_t n_in = 512, n_out = 357;
            std::vector<float> values = noise(n_in * n_out, 0.05f);
            for (int64_t o = 0; o < n_out; ++o) {
                float * row = values.data() + o * n_in;
                if (o % 5 == 0) std::fill_n(row, 256, 0.0f);
                if (o % 5 == 1) row[3] = 5.0f;
                if (o % 5 == 2) row[300] = -5.0f;
                if (o % 5 == 3)
                    for (int64_t i = 0; i < n_in; ++i) row[i] = -std::fabs(row[i]) - 0.1f;
                if (o == 9) std::fill_n(row, n_in, 0.0f);
            }
            const Matrix m = quantize(type, n_in, n_out, values);
            for (const int64_t n_rows : {1, 23}) {
                const std::vector<float> x = noise(n_in * n_rows), bias(n_out),
                                         residual(static_cast<size_t>(n_out * n_rows));
                for (const Precision precision : precisions) {
                    const std::vector<float> got = run_product(isa, m, x, n_rows, {}, bias, residual, precision),
                                             expected =
                                                 exact_product(m, taken(isa, m, x, precision), n_rows, bias, residual);
                    const std::string what = std::string(ggml_type_name(type)) + " product";
                    // Beside an outlier a hundred times the rest, 14 bits a row leave the rest 82 integers, whose
                    // rounding is 1 / sqrt(12) / 82 = 3.5e-3; q4_K and q5_K round scale and minimum too: times sqrt(3).
                    // Bytes leave 32 of the rest one step, where the types' own leave the outlier's 32 an eighth of it.
                    at_most(relative_error(got, expected), rounds_weights(isa, type, precision) ? 4e-2 : 7e-3, isa,
                            what);
                    for (int64_t r = 0; r < n_rows; ++r)
                        at_most(std::fabs(got[static_cast<size_t>(r * n_out + 9)]), 0, isa, what + " of a zero row");
                }
            }
        }
    }
}

TEST("products of K-quant blocks that no quantiser writes: one value of q, a scale far beyond the weights") {
    constexpr int64_t n_in = 512, n_out = 20, n_rows = 5;
    for (const Isa isa : supported_isas()) {
        for (const ggml_type type : {GGML_TYPE_Q4_K, GGML_TYPE_Q5_K}) {
            const float most = type == GGML_TYPE_Q4_K ? 15 : 31;
            const size_t n_block = ggml_type_size(type);
            Matrix m{type, n_in, n_out, std::vector<std::byte>(ggml_row_size(type, n_in) * n_out, std::byte{0xff}), {}};
            for (size_t block = 0; block < m.rows.size(); block += n_block) {
                // scales, minimums and q have all bits: each weight is 63 most scale - 63 minimum
                const float scale = 0.1f + 0.001f * static_cast<float>(block / n_block % 7);
                const ggml_fp16_t numbers[2] = {ggml_fp32_to_fp16(scale), ggml_fp32_to_fp16(scale * (most - 0.5f))};
                std::memcpy(m.rows.data() + block, numbers, sizeof(numbers));
            }
            m.exact.resize(n_in * n_out);
            ggml_get_type_traits(type)->to_float(m.rows.data(), m.exact.data(), n_in * n_out);
            const std::vector<float> x = noise(n_in * n_rows), bias(n_out), residual(n_out * n_rows);
            for (const Precision precision : precisions) {
                const std::vector<float> expected =
                    exact_product(m, taken(isa, m, x, precision), n_rows, bias, residual);
                // bytes have 128 steps from 0 to what q = 0 would be, all weights are half a q
                at_most(relative_error(run_product(isa, m, x, n_rows, {}, bias, residual, precision), expected),
                        rounds_weights(isa, type, precision) ? most / 128 : 1e-2, isa,
                        std::string(ggml_type_name(type)) + " product");
            }
        }
    }
}

TEST("q4_0 blocks of one scale keep their weights as bytes") {
    constexpr int64_t n_in = 256, n_out = 40, n_rows = 9;
    std::vector<float> values(n_in * n_out);
    for (size_t i = 0; i < values.size(); ++i) values[i] = i % 32 == 0 ? -8.0f : static_cast<float>(i * 7 % 16) - 8;
    const Matrix m = quantize(GGML_TYPE_Q4_0, n_in, n_out, values);
    CHECK(m.exact == values);
    const std::vector<float> x = noise(n_in * n_rows), none(n_out * n_rows);
    for (const Isa isa : supported_isas()) {
        const std::vector<float> got = run_product(isa, m, x, n_rows, {}, none, none, Precision::coarse),
                                 expected = exact_product(m, taken(isa, m, x, Precision::coarse), n_rows, none, none);
        at_most(relative_error(got, expected), 8e-4, isa, "q4_0 product");
    }
}

namespace {

void check_packed_outputs(Isa isa, ggml_type type, Precision precision) {
    const KernelTable & kernels = kernel_table(isa);
    for (const auto & [n_out, n_rows] : {std::pair<int64_t, int64_t>(15, 1), {100, 7}, {128, 50}, {300, 541}}) {
        const Matrix m = make_matrix(type, 64, n_out);
        const PackedWeight weight = packed_weight(m);
        const Operand taken = operand_of(kernels, type, precision);
        const std::vector<float> x = noise(m.n_in * n_rows), bias = noise(n_out);
        std::vector<float> packed(static_cast<size_t>(packed_rows_size(kernels, taken, m.n_in, n_rows)));
        pack_rows(kernels, taken, x.data(), m.n_in, n_rows, m.n_in, packed.data(), 0, 1);
        for (const auto & [operand, present] : {std::pair(Operand::f32, true),
                                                {Operand::i16, kernels.pack_i16 != nullptr},
                                                {Operand::i8, kernels.pack_i8 != nullptr},
                                                {Operand::bf16, kernels.pack_bf16 != nullptr}}) {
            if (!present) continue;
            LinearTask task;
            task.kernels = &kernels;
            task.operand = taken;
            task.parts[0] = {&weight, bias.data(), 0};
            task.activation = Activation::quick_gelu;
            std::vector<float> y(static_cast<size_t>(n_out * n_rows));
            run_linear(task, packed.data(), n_rows, {nullptr, 0, y.data(), n_out});
            std::vector<float> expected(static_cast<size_t>(packed_rows_size(kernels, operand, n_out, n_rows)), 7.0f);
            std::vector<float> got = expected, scratch(static_cast<size_t>(linear_scratch_size(n_rows)));
            pack_rows(kernels, operand, y.data(), n_out, n_rows, n_out, expected.data(), 0, 1);
            task.packed_as = operand;
            task.next = 0;
            run_linear(task, packed.data(), n_rows, {nullptr, 0, got.data(), 0}, scratch.data());
            check::report(std::memcmp(got.data(), expected.data(), got.size() * sizeof(float)) == 0, isa_name(isa), 0,
                          std::to_string(n_out) + " outputs packed, of " + ggml_type_name(type));
        }
    }
}

}  // namespace

TEST("outputs that leave packed are those that are packed afterwards") {
    for (const Isa isa : supported_isas()) {
        for (const ggml_type type : {GGML_TYPE_F32, GGML_TYPE_BF16, GGML_TYPE_Q8_0}) {
            for (const Precision precision : precisions) check_packed_outputs(isa, type, precision);
        }
    }
}

TEST("outputs go where they belong, their neighbours stay") {
    constexpr int64_t n_in = 96, n_rows = 31, n_behind = 5;
    for (const Isa isa : supported_isas()) {
        const KernelTable & kernels = kernel_table(isa);
        for (const ggml_type type : {GGML_TYPE_F32, GGML_TYPE_BF16, GGML_TYPE_F16, GGML_TYPE_Q8_0}) {
            for (const Precision precision : precisions) {
                for (const int64_t n_out : {33, 64}) {
                    const Matrix m = make_matrix(type, n_in, n_out);
                    const PackedWeight weight = packed_weight(m);
                    const Operand operand = operand_of(kernels, type, precision);
                    const int64_t ld = n_out + n_behind;
                    const std::vector<float> x = noise(n_in * n_rows), bias = noise(n_out),
                                             residual = noise(ld * n_rows);
                    std::vector<float> packed(static_cast<size_t>(packed_rows_size(kernels, operand, n_in, n_rows)));
                    pack_rows(kernels, operand, x.data(), n_in, n_rows, n_in, packed.data(), 0, 1);
                    std::vector<float> narrow(static_cast<size_t>(n_out * n_rows)), y(residual.size(), 7.0f);
                    for (int64_t r = 0; r < n_rows; ++r)
                        std::copy_n(residual.data() + r * ld, n_out, narrow.data() + r * n_out);
                    const std::vector<float> expected = run_product(isa, m, x, n_rows, {}, bias, narrow, precision);
                    LinearTask task;
                    task.kernels = &kernels;
                    task.operand = operand;
                    task.parts[0] = {&weight, bias.data(), 0};
                    run_linear(task, packed.data(), n_rows, {residual.data(), ld, y.data(), ld});
                    for (int64_t i = 0; i < ld * n_rows; ++i) {
                        const float value = i % ld < n_out ? expected[static_cast<size_t>(i / ld * n_out + i % ld)] : 7;
                        check::report(y[static_cast<size_t>(i)] == value, isa_name(isa), 0, ggml_type_name(type));
                    }
                }
            }
        }
    }
}

TEST("a product stops at its next job when it is aborted") {
    const KernelTable & kernels = kernel_table(best_isa());
    const int64_t n_in = 8, n_out = 2048, n_rows = 60;  // enough rows that a job is one group of tiles
    const Matrix m = make_matrix(GGML_TYPE_F32, n_in, n_out);
    const PackedWeight weight = packed_weight(m);
    const std::vector<float> x(static_cast<size_t>(n_in * n_rows), 1.0f);
    std::vector<float> packed(static_cast<size_t>(packed_rows_size(kernels, Operand::f32, n_in, n_rows)));
    pack_rows(kernels, Operand::f32, x.data(), n_in, n_rows, n_in, packed.data(), 0, 1);
    for (const int64_t n_jobs : {0, 1, 3}) {
        int64_t n_asked = 0;
        const std::function<bool()> aborted = [&] { return n_asked++ == n_jobs; };
        LinearTask task;
        task.kernels = &kernels;
        task.parts[0] = {&weight, nullptr, 0};
        task.aborted = &aborted;
        std::vector<float> y(static_cast<size_t>(n_out * n_rows), NAN);
        run_linear(task, packed.data(), n_rows, {nullptr, 0, y.data(), n_out});
        const auto n_written = std::count_if(y.begin(), y.end(), [](float value) { return !std::isnan(value); });
        CHECK(n_written == n_jobs * kernels.output_tiles * output_tile * n_rows);
    }
}

TEST("half-precision and bf16 weights that are no numbers leave none in their output, the others as they are") {
    constexpr int64_t n_in = 45, n_out = 20, n_rows = 3;
    const std::vector<float> x = noise(n_in * n_rows), none(n_out * n_rows);
    for (const Isa isa : supported_isas()) {
        for (const ggml_type type : {GGML_TYPE_F16, GGML_TYPE_BF16}) {
            for (const float value : {INFINITY, -INFINITY, NAN}) {
                std::vector<float> values = noise(n_in * n_out, 0.05f);
                const std::vector<float> sound =
                    run_product(isa, quantize(type, n_in, n_out, values), x, n_rows, {}, none, none);
                values[17 * n_in + 44] = value;
                const std::vector<float> got =
                    run_product(isa, quantize(type, n_in, n_out, values), x, n_rows, {}, none, none);
                for (size_t i = 0; i < got.size(); ++i) {
                    check::report(i % n_out == 17 ? !std::isfinite(got[i]) : got[i] == sound[i], isa_name(isa), 0,
                                  ggml_type_name(type));
                }
            }
        }
    }
}

TEST("quantised blocks whose numbers are none leave none in their output, the others as they are") {
    constexpr int64_t n_in = 512, n_out = 20, n_rows = 3, row = 17;
    struct Place {
        ggml_type type;
        size_t of_a_block;
    };
    constexpr Place places[] = {{GGML_TYPE_Q8_0, 0}, {GGML_TYPE_Q4_0, 0}, {GGML_TYPE_Q4_K, 0},  {GGML_TYPE_Q4_K, 2},
                                {GGML_TYPE_Q5_K, 0}, {GGML_TYPE_Q5_K, 2}, {GGML_TYPE_Q6_K, 208}};
    const std::vector<float> x = noise(n_in * n_rows), none(n_out * n_rows);
    for (const Isa isa : supported_isas()) {
        for (const Place & place : places) {
            const Matrix m = make_matrix(place.type, n_in, n_out);
            for (const float value : {INFINITY, NAN}) {
                Matrix other = m;
                const ggml_fp16_t number = ggml_fp32_to_fp16(value);
                std::memcpy(other.rows.data() + row * ggml_row_size(m.type, n_in) + place.of_a_block, &number,
                            sizeof(number));
                for (const Precision precision : precisions) {
                    const std::vector<float> sound = run_product(isa, m, x, n_rows, {}, none, none, precision),
                                             got = run_product(isa, other, x, n_rows, {}, none, none, precision);
                    for (size_t i = 0; i < got.size(); ++i) {
                        check::report(i % n_out == row ? !std::isfinite(got[i]) : got[i] == sound[i], isa_name(isa), 0,
                                      ggml_type_name(m.type));
                    }
                }
            }
        }
    }
}

TEST("every half-precision number is a weight as ggml says, within what a float has") {
    std::vector<ggml_fp16_t> bits;
    for (int i = 0; i < 1 << 16; ++i) {
        if ((i & 0x7c00) != 0x7c00) bits.push_back(static_cast<ggml_fp16_t>(i));
    }
    const auto n = static_cast<int64_t>(bits.size());
    Matrix m{GGML_TYPE_F16, 1, n, std::vector<std::byte>(bits.size() * sizeof(ggml_fp16_t)), {}};
    std::memcpy(m.rows.data(), bits.data(), m.rows.size());
    const std::vector<float> none(bits.size());
    for (const Isa isa : supported_isas()) {
        const std::vector<float> got = run_product(isa, m, {1.0f}, 1, {}, none, none);
        for (size_t i = 0; i < bits.size(); ++i) {
            const float expected = ggml_fp16_to_fp32(bits[i]);
            at_most(std::fabs(got[i] - expected), 3e-7 * std::fabs(expected), isa, "f16 " + std::to_string(bits[i]));
        }
    }
}

TEST("half-precision and bf16 weights of any size, subnormal ones and the largest among them") {
    constexpr int64_t n_in = 300, n_out = 17, n_rows = 4;
    const std::vector<float> x = noise(n_in * n_rows), none(n_out * n_rows);
    for (const Isa isa : supported_isas()) {
        for (const auto & [type, size] : {std::pair(GGML_TYPE_F16, 6e-8f),
                                          {GGML_TYPE_F16, 1e-6f},
                                          {GGML_TYPE_F16, 2e4f},
                                          {GGML_TYPE_BF16, 1e-33f},
                                          {GGML_TYPE_BF16, 1e-6f},
                                          {GGML_TYPE_BF16, 1e30f}}) {
            std::vector<float> values(static_cast<size_t>(n_in * n_out));
            for (float & value : values) value = size * (static_cast<float>(random_bits() % 7) - 3);
            const Matrix m = quantize(type, n_in, n_out, values);
            at_most(relative_error(run_product(isa, m, x, n_rows, {}, none, none),
                                   exact_product(m, taken(isa, m, x, Precision::fine), n_rows, none, none)),
                    8e-4, isa, ggml_type_name(type) + (" of size " + std::to_string(size)));
        }
    }
}

TEST("integer products with outliers a thousand times the rest keep what their bits can") {
    for (const Isa isa : supported_isas()) {
        const Matrix m = make_matrix(GGML_TYPE_Q8_0, 1024, 512);
        std::vector<float> x = noise(1024 * 20), bias(512), residual(512 * 20);
        for (size_t i = 5; i < x.size(); i += 1024) x[i] = 1000;
        const std::vector<float> expected = exact_product(m, x, 20, bias, residual);
        // steps of 1000 / 2047 for 127 inputs about 1: sqrt(127 / 12) / 2047 = 1.6e-3 of the product
        at_most(relative_error(run_product(isa, m, x, 20, {}, bias, residual), expected), 2e-3, isa, "outliers");
        const std::vector<float> zeros(1024 * 20);
        at_most(largest_difference(run_product(isa, m, zeros, 20, {}, bias, residual), residual), 0, isa, "zeros");
    }
}

namespace {

/// Rounded activations alone: others are what they are, whatever stands beside them.
void check_outliers(Isa isa, Precision precision) {
    const Matrix m = make_matrix(GGML_TYPE_Q8_0, 384, 40);
    const Operand operand = operand_of(kernel_table(isa), m.type, precision);
    if (operand == Operand::f32) return;
    constexpr int64_t n_rows = 7;
    const auto product = [&](const std::vector<float> & x) {
        return run_product(isa, m, x, n_rows, {}, std::vector<float>(40), std::vector<float>(40 * n_rows), precision);
    };
    const std::vector<float> x = noise(384 * n_rows), sound = product(x);
    const auto row = [](const std::vector<float> & y, int64_t r) {
        return std::vector<float>(y.begin() + r * 40, y.begin() + (r + 1) * 40);
    };
    for (const float value : {1e6f, 1e30f, 1e-40f, 0.0f, INFINITY, NAN}) {
        std::vector<float> other = x;
        other[2 * 384 + 200] = value;
        const std::vector<float> got = product(other);
        for (int64_t r = 0; r < n_rows; ++r) {
            if (r != 2) at_most(largest_difference(row(got, r), row(sound, r)), 0, isa, "another token");
        }
        const auto is_number = [](float y) { return std::isfinite(y); };
        const std::vector<float> y = row(got, 2);
        if (std::isfinite(value)) {
            check::report(std::all_of(y.begin(), y.end(), is_number), isa_name(isa), 0, "a number is lost");
        } else {
            check::report(std::none_of(y.begin(), y.end(), is_number), isa_name(isa), 0, "no number is one");
        }
    }
    const std::vector<float> tiny(x.size(), 1e-40f);
    at_most(largest_difference(product(tiny), std::vector<float>(sound.size())), 1e-37, isa, "the smallest numbers");
}

}  // namespace

TEST("outliers cost their own token alone, numbers that are none stay there") {
    for (const Isa isa : supported_isas()) {
        for (const Precision precision : precisions) check_outliers(isa, precision);
    }
}

TEST("8-bit activations of one sign, and beside one outlier, have all eight bits") {
    const Matrix m = make_matrix(GGML_TYPE_Q8_0, 1024, 40);
    constexpr int64_t n_rows = 100;
    const std::vector<float> none(40 * n_rows);
    std::vector<float> positive = noise(1024 * n_rows), outliers = positive;
    for (float & value : positive) value = std::fabs(value);
    for (size_t run = 0; run < outliers.size(); run += i8_run) outliers[run] = 30.0f;
    for (const Isa isa : supported_isas()) {
        for (const auto & [x, bound] : {std::pair(positive, 4e-3), std::pair(outliers, 1.5e-2)}) {
            const std::vector<float> got = run_product(isa, m, x, n_rows, {}, none, none, Precision::coarse);
            at_most(relative_error(got, exact_product(m, x, n_rows, none, none)), bound, isa, "centred activations");
        }
    }
}

TEST("the largest integers do not overflow") {
    struct Block {
        ggml_fp16_t scale;
        int8_t values[q8_block];
    };
    constexpr int64_t n_in = 1024, n_out = 2 * output_tile, n_rows = max_token_tile;
    for (const Isa isa : supported_isas()) {
        for (const int weight : {127, -127, -128}) {  // ggml's own end at -127
            Block block{ggml_fp32_to_fp16(1.0f), {}};
            std::fill(std::begin(block.values), std::end(block.values), static_cast<int8_t>(weight));
            const std::vector<Block> blocks(static_cast<size_t>(n_in / q8_block * n_out), block);
            Matrix m{GGML_TYPE_Q8_0, n_in, n_out, std::vector<std::byte>(blocks.size() * sizeof(Block)), {}};
            std::memcpy(m.rows.data(), blocks.data(), m.rows.size());
            const std::vector<float> x(static_cast<size_t>(n_in * n_rows), 3.0f), none(n_out * n_rows);
            const double expected = 3.0 * weight * n_in;
            for (const Precision precision : precisions) {
                for (const float value : run_product(isa, m, x, n_rows, {}, none, none, precision))
                    at_most(std::fabs(value / expected - 1), 1e-6, isa, "largest sum");
            }
        }
        const std::vector<float> x(static_cast<size_t>(n_in * n_rows), 3.0f), none(n_out * n_rows);
        for (const ggml_type type : {GGML_TYPE_Q6_K, GGML_TYPE_Q5_K, GGML_TYPE_Q4_K, GGML_TYPE_Q4_0}) {
            for (const float weight : {1.0f, -1.0f}) {
                const Matrix m = quantize(type, n_in, n_out, std::vector<float>(n_in * n_out, weight));
                const std::vector<float> expected = exact_product(m, x, n_rows, none, none);
                for (const Precision precision : precisions)
                    at_most(relative_error(run_product(isa, m, x, n_rows, {}, none, none, precision), expected), 3e-3,
                            isa, std::string("largest sum of ") + ggml_type_name(type));
            }
        }
        const Matrix half = quantize(GGML_TYPE_F16, n_in, n_out, std::vector<float>(n_in * n_out, -65504.0f));
        for (const float value : run_product(isa, half, x, n_rows, {}, none, none))
            at_most(std::fabs(value / (-3.0 * 65504 * n_in) - 1), 1e-6, isa, "largest sum of half precision");
    }
}

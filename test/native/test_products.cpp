// Matrix products of every instruction set this machine has against sums in double, and where their outputs go.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>

#include "test_products_support.h"

using namespace altclip;
using namespace altclip::test;

namespace {

struct Shape {
    int64_t n_in, n_out, n_rows;
};
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
        // sums of 64 inputs go on in 64ths: 64 / sqrt(12) beside 16 * 4.6 * 52 * sqrt(64)
        at_most(relative_error(got, expected), 1.5e-3, isa, "q4_0 product");
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

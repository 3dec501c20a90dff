// Matrix products of every instruction set this machine has at the limits of numbers: outliers, zeros, blocks that no
// quantiser writes, what is no number, the largest and the smallest.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/quantized_rows.h"
#include "test_products_support.h"

using namespace altclip;
using namespace altclip::test;

namespace {

constexpr ggml_type integer_types[] = {GGML_TYPE_F16,  GGML_TYPE_BF16, GGML_TYPE_Q8_0, GGML_TYPE_Q6_K,
                                       GGML_TYPE_Q5_K, GGML_TYPE_Q4_K, GGML_TYPE_Q4_0};

/// Blocks of random bits, but for their half-precision numbers: scale, or scale and minimum, within 1 of zero.
Matrix matrix_of_any_bits(ggml_type type, int64_t n_in, int64_t n_out) {
    Matrix m{type, n_in, n_out, std::vector<std::byte>(ggml_row_size(type, n_in) * static_cast<size_t>(n_out)), {}};
    for (std::byte & byte : m.rows) byte = static_cast<std::byte>(random_bits() & 255);
    const size_t first = type == GGML_TYPE_Q6_K ? 208 : 0;
    const size_t n_numbers = type == GGML_TYPE_Q4_K || type == GGML_TYPE_Q5_K ? 2 : 1;
    for (size_t block = 0; block < m.rows.size(); block += ggml_type_size(type)) {
        for (size_t i = 0; i < n_numbers; ++i) {
            const ggml_fp16_t value = ggml_fp32_to_fp16(static_cast<float>(random_bits() % 4096) / 2048 - 1);
            std::memcpy(m.rows.data() + block + first + i * sizeof(value), &value, sizeof(value));
        }
    }
    m.exact.resize(static_cast<size_t>(n_in * n_out));
    ggml_get_type_traits(type)->to_float(m.rows.data(), m.exact.data(), n_in * n_out);
    return m;
}

}  // namespace

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
                    at_most(relative_error(got, expected), rounds_weights(isa, type, precision) ? 6e-2 : 7e-3, isa,
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

TEST("weights of fewer bits become the bytes next to them") {
    constexpr int64_t n_in = 256, n_out = 40, n_blocks = n_in / 32;
    // one input at a time: outputs are weights
    std::vector<float> x(n_in * n_in);
    for (size_t i = 0; i < n_in; ++i) x[i * n_in + i] = 1;
    const std::vector<float> none(n_out * n_in);
    for (const ggml_type type : {GGML_TYPE_Q5_K, GGML_TYPE_Q4_K, GGML_TYPE_Q4_0}) {
        const float most = type == GGML_TYPE_Q5_K ? 31 : 15;
        const Matrix any = matrix_of_any_bits(type, n_in, n_out), usual = make_matrix(type, n_in, n_out);
        for (const Matrix * m : {&any, &usual}) {
            std::vector<float> other;  // another table's, which may make bytes in another way: the same ones
            for (const Isa isa : supported_isas()) {
                if (!rounds_weights(isa, type, Precision::coarse)) continue;
                const std::vector<float> got = run_product(isa, *m, x, n_in, {}, none, none, Precision::coarse);
                check::report(other.empty() || got == other, isa_name(isa), 0, "bytes differ between tables");
                other = got;
                for (int64_t o = 0; o < n_out; ++o) {
                    std::vector<QuantizedBlock> blocks(n_blocks);
                    read_quantized_row(type, m->rows.data() + static_cast<size_t>(o) * ggml_row_size(type, n_in), n_in,
                                       blocks.data());
                    const auto largest = [&](int64_t b) {
                        const QuantizedBlock & block = blocks[static_cast<size_t>(b)];
                        return std::max(std::fabs(block.minimum[0]),
                                        std::fabs(most * block.scale[0] - block.minimum[0]));
                    };
                    float row = 0;
                    for (int64_t b = 0; b < n_blocks; ++b) row = std::max(row, largest(b));
                    for (int64_t i = 0; i < n_in; ++i) {
                        // half a step of the byte; an eighth of each part's, whose sums go on in 64ths, where an input
                        // of 1 is 254; and scale, 31 q at most, and minimum, in quarters of the row's integers
                        const auto step = [&](int64_t b) { return std::max(largest(b), largest(b ^ 2)) / 127; };
                        const float bound = step(i / 32) * 0.63f + step(i / 32 ^ 1) * 0.13f + row * 2.3f / 8187;
                        const auto at = static_cast<size_t>(i * n_out + o), weight = static_cast<size_t>(o * n_in + i);
                        at_most(std::fabs(got[at] - m->exact[weight]), bound, isa,
                                std::string(ggml_type_name(type)) + " weight");
                    }
                }
            }
        }
    }
}

TEST("K-quant blocks that all stand at their row's largest weight") {
    constexpr int64_t n_in = 256, n_out = 20, n_rows = 5;
    const std::vector<float> none(n_out * n_rows);
    std::vector<float> x = noise(n_in * n_rows);
    for (size_t i = 0; i < x.size(); i += i8_run) x[i] = -3.0f;
    for (const auto & [type, minimum] : {std::pair(GGML_TYPE_Q4_K, 0.00754f), {GGML_TYPE_Q5_K, 0.01557f}}) {
        // q is zero, scales and minimums are one: each weight is - minimum
        std::vector<std::byte> block(ggml_type_size(type));
        const ggml_fp16_t numbers[2] = {ggml_fp32_to_fp16(0.001f), ggml_fp32_to_fp16(minimum)};
        std::memcpy(block.data(), numbers, sizeof(numbers));
        std::fill_n(block.begin() + 4, 8, std::byte{1});
        std::fill_n(block.begin() + 12, 4, std::byte{0x11});
        Matrix m{type, n_in, n_out, {}, std::vector<float>(n_in * n_out)};
        for (int64_t o = 0; o < n_out; ++o) m.rows.insert(m.rows.end(), block.begin(), block.end());
        ggml_get_type_traits(type)->to_float(m.rows.data(), m.exact.data(), n_in * n_out);
        for (const Isa isa : supported_isas()) {
            for (const Precision precision : precisions) {
                const std::vector<float> got = run_product(isa, m, x, n_rows, {}, none, none, precision),
                                         expected = exact_product(m, taken(isa, m, x, precision), n_rows, none, none);
                at_most(relative_error(got, expected), 6e-3, isa, std::string(ggml_type_name(type)) + " product");
            }
        }
    }
}

TEST("products of quantised blocks of any bits, with scales and minimums of either sign") {
    constexpr int64_t n_in = 768, n_out = 40, n_rows = 7;
    for (const ggml_type type : {GGML_TYPE_Q8_0, GGML_TYPE_Q6_K, GGML_TYPE_Q5_K, GGML_TYPE_Q4_K, GGML_TYPE_Q4_0}) {
        const Matrix m = matrix_of_any_bits(type, n_in, n_out);
        const std::vector<float> x = noise(n_in * n_rows), none(n_out * n_rows);
        for (const Isa isa : supported_isas()) {
            for (const Precision precision : precisions) {
                const std::vector<float> got = run_product(isa, m, x, n_rows, {}, none, none, precision),
                                         expected = exact_product(m, taken(isa, m, x, precision), n_rows, none, none);
                at_most(relative_error(got, expected), rounds_weights(isa, type, precision) ? 1e-2 : 1e-3, isa,
                        std::string(ggml_type_name(type)) + " product");
            }
        }
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
    constexpr int64_t n_in = 1024, n_out = 2 * output_tile, n_rows = max_token_tile;
    for (const Isa isa : supported_isas()) {
        for (const int weight : {127, -127, -128}) {  // ggml's own end at -127
            Q8Block block{ggml_fp32_to_fp16(1.0f), {}};
            std::fill(std::begin(block.values), std::end(block.values), static_cast<int8_t>(weight));
            const std::vector<Q8Block> blocks(static_cast<size_t>(n_in / q8_block * n_out), block);
            Matrix m{GGML_TYPE_Q8_0, n_in, n_out, std::vector<std::byte>(blocks.size() * sizeof(Q8Block)), {}};
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

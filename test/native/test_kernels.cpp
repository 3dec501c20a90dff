// What surrounds the products, of every instruction set this machine has, by name, against the scalar reference and
// against sums in double: weights widened, activations, norms, attention.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "ggml.h"
#include "kernels/attention.h"
#include "test_kernels_support.h"

using namespace altclip;
using namespace altclip::test;

TEST("every instruction set by name") {
    for (const Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512, Isa::avx512_vnni, Isa::avx512_bf16, Isa::neon,
                          Isa::neon_dotprod, Isa::neon_i8mm}) {
        if (isa_supported(isa)) {
            std::printf("%s: run\n", isa_name(isa));
        } else {
            std::printf("%s: not run, this machine lacks it\n", isa_name(isa));
        }
    }
    CHECK(isa_supported(Isa::scalar) && isa_supported(best_isa()));
#if defined(__x86_64__) || defined(_M_X64) || defined(__aarch64__) || defined(_M_ARM64)
    CHECK(best_isa() != Isa::scalar || std::getenv("ALTCLIP_ISA"));  // they have no machine that our kernels lack
#endif
}

TEST("quantised weights become the reference's integers, bit for bit") {
    using Widen = decltype(KernelTable::widen_q8);
    struct Case {
        const char * name;
        Widen KernelTable::*widen;
        int64_t block_bytes;
    };
    const Case cases[] = {{"q8_0", &KernelTable::widen_q8, q8_block_bytes},
                          {"q4_0", &KernelTable::widen_q4_0, q4_0_block_bytes},
                          {"q4_K", &KernelTable::widen_q4_k, q4_k_block_bytes},
                          {"q5_K", &KernelTable::widen_q5_k, q5_k_block_bytes},
                          {"q6_K", &KernelTable::widen_q6_k, q6_k_block_bytes}};
    constexpr int64_t n_blocks = 40;
    for (const Isa isa : supported_isas()) {
        for (const Case & c : cases) {
            std::vector<uint8_t> blocks(static_cast<size_t>(n_blocks * c.block_bytes));
            for (uint8_t & byte : blocks) byte = static_cast<uint8_t>(random_bits());
            // but for a multiplier of -32768, which pack() never writes: times another, NEON saturates
            for (size_t block = 0; block < blocks.size(); block += static_cast<size_t>(c.block_bytes)) {
                for (size_t i = 0; i < 4 * output_tile; i += 2) blocks[block + i] |= 1;
            }
            alignas(64) static int16_t got[n_blocks * 32 * output_tile], expected[n_blocks * 32 * output_tile];
            (kernel_table(isa).*c.widen)(blocks.data(), n_blocks, got);
            (scalar_kernels.*c.widen)(blocks.data(), n_blocks, expected);
            check::report(std::equal(std::begin(got), std::end(got), expected), isa_name(isa), 0,
                          std::string(c.name) + " widened");
        }
    }
}

TEST("every bf16 number widens to floats as ggml says, to integers as the reference does") {
    std::vector<uint16_t> bits(1 << 16);
    for (size_t i = 0; i < bits.size(); ++i) bits[i] = static_cast<uint16_t>(i);
    std::vector<float> got(bits.size());
    const auto same = [](float a, float b) { return (std::isnan(a) && std::isnan(b)) || std::memcmp(&a, &b, 4) == 0; };
    for (const Isa isa : supported_isas()) {
        if (kernel_table(isa).widen_bf16) {
            constexpr int64_t n_pairs = 40, n = n_pairs * output_tile * 2;
            uint16_t numbers[n];
            ggml_fp32_to_bf16_row_ref(noise(n).data(), reinterpret_cast<ggml_bf16_t *>(numbers), n);
            float scales[output_tile];
            for (int64_t i = 0; i < output_tile; ++i) scales[i] = i == 3 ? 0 : 0.001f * static_cast<float>(i + 1);
            alignas(64) int16_t integers[n], expected[n];
            kernel_table(isa).widen_bf16(numbers, n_pairs, scales, integers);
            scalar_kernels.widen_bf16(numbers, n_pairs, scales, expected);
            check::report(std::equal(integers, integers + n, expected), isa_name(isa), 0, "bf16 to integers");
        }
        if (!kernel_table(isa).float_bf16) continue;
        kernel_table(isa).float_bf16(bits.data(), (1 << 15) / output_tile, got.data());
        for (size_t i = 0; i < bits.size(); ++i) {
            const size_t tile = output_tile, pair = i / 2 / tile, output = i / 2 % tile, input = i % 2;
            const float value = got[(pair * 2 + input) * tile + output];
            at_most(same(value, ggml_bf16_to_fp32({bits[i]})) ? 0 : 1, 0, isa, "bf16");
        }
    }
}

TEST("activations, against the reference") {
    std::vector<float> c = noise(203, 4.0f);
    for (const float x : {0.0f, -0.0f, 100.0f, -100.0f, 1e30f, -1e30f, 1e-30f}) c.push_back(x);
    const auto n = static_cast<int64_t>(c.size());
    const std::vector<float> bias(c.size()), residual = noise(n);
    for (const Isa isa : supported_isas()) {
        for (const Activation activation : {Activation::gelu_erf, Activation::gelu_tanh, Activation::quick_gelu,
                                            Activation::relu, Activation::silu}) {
            std::vector<float> got(c.size()), expected(c.size());
            kernel_table(isa).finish(c.data(), n, bias.data(), activation, nullptr, got.data());
            scalar_kernels.finish(c.data(), n, bias.data(), activation, nullptr, expected.data());
            for (size_t i = 0; i < c.size(); ++i) {
                at_most(std::fabs(got[i] - expected[i]), 2e-6 + 1e-6 * std::fabs(expected[i]), isa,
                        std::string(activation_name(activation)) + " of " + std::to_string(c[i]));
            }
        }
        const std::vector<float> none(21, NAN);
        for (const Activation activation : {Activation::gelu_erf, Activation::gelu_tanh, Activation::quick_gelu,
                                            Activation::relu, Activation::silu}) {
            std::vector<float> y(none.size());
            kernel_table(isa).finish(none.data(), 21, nullptr, activation, nullptr, y.data());
            check::report(std::all_of(y.begin(), y.end(), [](float v) { return std::isnan(v); }), isa_name(isa), 0,
                          std::string(activation_name(activation)) + " of no number");
        }
        std::vector<float> got(c.size()), expected(c.size());
        kernel_table(isa).finish(c.data(), n, nullptr, {}, residual.data(), got.data());
        scalar_kernels.finish(c.data(), n, nullptr, {}, residual.data(), expected.data());
        at_most(largest_difference(got, expected), 0, isa, "residual");
    }
}

TEST("layer norm and softmax, against the reference") {
    for (const Isa isa : supported_isas()) {
        for (const int64_t n : {1, 7, 8, 31, 64, 257, 1024, 1283}) {
            const std::vector<float> x = noise(n, 3.0f), weight = noise(n), bias = noise(n);
            std::vector<float> got(x.size()), expected(x.size());
            kernel_table(isa).layer_norm(x.data(), n, 1e-5f, weight.data(), bias.data(), got.data());
            scalar_kernels.layer_norm(x.data(), n, 1e-5f, weight.data(), bias.data(), expected.data());
            at_most(largest_difference(got, expected), 2e-5, isa, "layer norm of " + std::to_string(n));

            std::vector<float> p(x), q(x);
            p.resize(static_cast<size_t>((n + 15) / 16 * 16));
            q.resize(p.size());
            const float sum = kernel_table(isa).softmax(p.data(), n, 0.7f),
                        expected_sum = scalar_kernels.softmax(q.data(), n, 0.7f);
            at_most(largest_difference(p, q), 1e-6, isa, "softmax of " + std::to_string(n));
            at_most(std::fabs(sum / expected_sum - 1), 1e-6, isa, "sum of softmax");
            for (const int64_t at : {int64_t{0}, n / 2, n - 1}) {
                std::copy(x.begin(), x.end(), p.begin());
                p[static_cast<size_t>(at)] = NAN;
                check::report(std::isnan(kernel_table(isa).softmax(p.data(), n, 0.7f)), isa_name(isa), 0,
                              "sum of softmax with no number among " + std::to_string(n));
            }
        }
    }
}

namespace {

void check_attention(Isa isa, bool in_bf16) {
    struct Case {
        int64_t n_seq, n_query, n_key, n_head, n_embd_head;
        bool uniform;
    };
    constexpr Case cases[] = {{1, 1, 1, 1, 8, false},      {3, 4, 4, 2, 16, false},    {2, 77, 77, 2, 64, false},
                              {1, 257, 257, 1, 64, false}, {2, 50, 50, 3, 80, false},  {2, 6, 5, 2, 24, false},
                              {2, 9, 9, 2, 20, true},      {1, 131, 131, 2, 13, false}};
    for (const Case & c : cases) {
        const int64_t n_embd = c.n_head * c.n_embd_head, n_rows = c.n_seq * c.n_query;
        std::vector<float> qkv = noise(n_rows * 3 * n_embd, 1.5f);
        if (in_bf16) round_to_bf16(qkv);
        AttentionTask task;
        task.kernels = &kernel_table(isa);
        task.n_head = c.n_head;
        task.n_embd_head = c.n_embd_head;
        task.in_bf16 = in_bf16;
        const double scale = c.uniform ? 0 : 1 / std::sqrt(static_cast<double>(c.n_embd_head));
        task.spans = {{c.n_seq, c.n_query, c.n_key, 0, 0, c.n_query, static_cast<float>(scale)}};
        std::vector<float> y(static_cast<size_t>(n_rows * n_embd)), expected(y.size());
        std::vector<float> scratch(static_cast<size_t>(attention_scratch_size(task.spans, c.n_embd_head)));
        const float * base = qkv.data();
        run_attention(task,
                      {base, 3 * n_embd, base + n_embd, 3 * n_embd, base + 2 * n_embd, 3 * n_embd, y.data(), n_embd},
                      scratch.data());

        double largest = 0;  // mean size of values
        for (int64_t row = 0; row < n_rows; ++row) {
            const int64_t first = row / c.n_query * c.n_query;
            for (int64_t head = 0; head < c.n_head; ++head) {
                const int64_t column = head * c.n_embd_head;
                std::vector<double> weights;
                double sum = 0;
                for (int64_t key = first; key < first + c.n_key; ++key) {
                    double score = 0;
                    for (int64_t i = 0; i < c.n_embd_head; ++i) {
                        score += static_cast<double>(base[row * 3 * n_embd + column + i]) *
                                 base[(key * 3 + 1) * n_embd + column + i];
                    }
                    sum += weights.emplace_back(std::exp(scale * score));
                }
                for (int64_t i = 0; i < c.n_embd_head; ++i) {
                    double value = 0, size = 0;
                    for (int64_t key = 0; key < c.n_key; ++key) {
                        const double term =
                            weights[static_cast<size_t>(key)] * base[((first + key) * 3 + 2) * n_embd + column + i];
                        value += term;
                        size += std::fabs(term);
                    }
                    expected[static_cast<size_t>(row * n_embd + column + i)] = static_cast<float>(value / sum);
                    largest = std::max(largest, size / sum);
                }
            }
        }
        // probabilities are rounded to bf16, by half of its step
        at_most(largest_difference(y, expected), in_bf16 ? largest / 512 + 1e-5 : 1e-5, isa,
                "attention of " + std::to_string(c.n_key) + " keys");
    }
}

}  // namespace

TEST("attention against sums in double") {
    for (const Isa isa : supported_isas()) {
        check_attention(isa, false);
        if (kernel_table(isa).product_bf16) check_attention(isa, true);
    }
}

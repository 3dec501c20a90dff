#include "core.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "kernels/huge_pages.h"

namespace altclip::bench {

namespace {

constexpr int64_t n_tokens = 252;  // whole tiles of every table
constexpr int n_rounds = 300;

/// Zeros, which take as long as other numbers.
std::shared_ptr<std::byte> memory_of(int64_t n_words) {
    const auto n_bytes = static_cast<size_t>(n_words) * sizeof(float);
    const std::shared_ptr<std::byte> memory = huge_pages(n_bytes);
    std::memset(memory.get(), 0, n_bytes);
    return memory;
}

}  // namespace

double core_rate(const KernelTable & kernels, ggml_type type, Operand operand) {
    const int64_t k = kernels.input_block, n_tiles = kernels.output_tiles, next = k * output_tile;
    const int64_t ld = n_tiles * output_tile, row_words = words_of_row(operand, k);
    const auto tokens = memory_of(n_tokens * row_words), weights = memory_of(n_tiles * next),
               sums = memory_of(n_tokens * ld);
    const Ahead nothing{weights.get(), 0, 0};
    const auto * b = reinterpret_cast<const int16_t *>(weights.get());
    const auto product = [&](int64_t token) {
        const auto * a = reinterpret_cast<const int32_t *>(tokens.get()) + token * row_words;
        float * c = reinterpret_cast<float *>(sums.get()) + token * ld;
        switch (operand) {
            case Operand::f32:
                return kernels.product_f32(kernels.token_tile, n_tiles, k, reinterpret_cast<const float *>(a),
                                           reinterpret_cast<const float *>(b), output_tile, next, c, ld, false,
                                           nullptr, nothing);
            case Operand::i16:
                return kernels.product_i16(kernels.token_tile, n_tiles, k, a, b, next, nullptr, c, ld, false, nullptr,
                                           nothing);
            case Operand::i8:
                return i8_products(kernels, type)
                    .product(kernels.token_tile, n_tiles, k / i8_run, a, b, next, nullptr, c, ld, false, nullptr,
                             nothing);
            case Operand::bf16:
                return kernels.product_bf16(kernels.token_tile, n_tiles, k / 2, a, b, next, c, ld, false, nullptr,
                                            nothing);
            case Operand::bytes: return;
        }
    };
    double least = 1e9;
    for (int round = 0; round < n_rounds; ++round) {
        const auto start = std::chrono::steady_clock::now();
        for (int64_t token = 0; token < n_tokens; token += kernels.token_tile) product(token);
        least = std::min(least, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    return 2e-9 * static_cast<double>(k * ld * n_tokens) / least;
}

}  // namespace altclip::bench

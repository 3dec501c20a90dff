#include "kernels/packed_rows.h"

#include <algorithm>

namespace altclip {

const I8Products & i8_products(const KernelTable & kernels, ggml_type weight) {
    switch (weight) {
        case GGML_TYPE_Q4_0: return kernels.q4_0_i8;
        case GGML_TYPE_Q4_K: return kernels.q4_k_i8;
        case GGML_TYPE_Q5_K: return kernels.q5_k_i8;
        case GGML_TYPE_Q6_K: return kernels.q6_k_i8;
        default: return kernels.q8_0_i8;
    }
}

Operand operand_of(const KernelTable & kernels, ggml_type weight, Precision precision) {
    if (weight == GGML_TYPE_F32) return Operand::f32;
    if (weight == GGML_TYPE_BF16 && kernels.product_bf16) return Operand::bf16;
    if (ggml_is_quantized(weight)) {
        if (precision == Precision::coarse && i8_products(kernels, weight).product) return Operand::i8;
        if (weight == GGML_TYPE_Q8_0 && kernels.product_bytes) return Operand::bytes;
    }
    return kernels.product_i16 ? Operand::i16 : Operand::f32;
}

int64_t n_token_tiles(const KernelTable & kernels, int64_t n_rows) {
    return (n_rows + kernels.token_tile - 1) / kernels.token_tile;
}

int64_t words_of_row(Operand operand, int64_t n_in) {
    if (operand == Operand::i8) return (n_in + i8_run - 1) / i8_run * i8_run_words;
    if (operand == Operand::i16) return (n_in + integer_run - 1) / integer_run * integer_run_words;
    return operand == Operand::f32 ? n_in : (n_in + 1) / 2;
}

int64_t packed_rows_size(const KernelTable & kernels, Operand operand, int64_t n_in, int64_t n_rows) {
    const int64_t n = n_token_tiles(kernels, n_rows) * kernels.token_tile;
    return n * words_of_row(operand, n_in) + (operand == Operand::bytes ? n : 0);  // then a scale a token
}

void pack_strip(const KernelTable & kernels, Operand operand, const float * x, int64_t ld, int64_t first_row, int64_t n,
                int64_t k, int64_t n_k, int64_t n_in, float * packed) {
    const int64_t token_tile = kernels.token_tile, row_words = words_of_row(operand, n_in);
    packed += first_row * row_words + words_of_row(operand, k) * token_tile;
    for (int64_t i = 0; i < n; i += token_tile, x += token_tile * ld, packed += token_tile * row_words) {
        const int64_t n_tile = std::min(token_tile, n - i);
        auto * words = reinterpret_cast<int32_t *>(packed);
        switch (operand) {
            case Operand::f32: kernels.pack_f32(x, ld, n_tile, n_k, packed); break;
            case Operand::i16: kernels.pack_i16(x, ld, n_tile, n_k, words); break;
            case Operand::i8: kernels.pack_i8(x, ld, n_tile, n_k, words); break;
            case Operand::bf16: kernels.pack_bf16(x, ld, n_tile, n_k, words); break;
            case Operand::bytes: break;
        }
    }
}

void pack_rows(const KernelTable & kernels, Operand operand, const float * x, int64_t ld, int64_t n_rows, int64_t n_in,
               float * packed, int ith, int nth) {
    if (operand != Operand::bytes) {
        // A share is a strip of inputs, which the same thread may have written as outputs of the last product: what
        // another core wrote comes slowly.
        const auto border = [n_in, nth](int i) { return i < nth ? n_in / integer_run * i / nth * integer_run : n_in; };
        const int64_t k = border(ith);
        return pack_strip(kernels, operand, x + k, ld, 0, n_rows, k, border(ith + 1) - k, n_in, packed);
    }
    const int64_t n_tiles = n_token_tiles(kernels, n_rows), token_tile = kernels.token_tile;
    const int64_t row_words = words_of_row(operand, n_in);
    float * scales = packed + n_tiles * token_tile * row_words;
    for (int64_t t = n_tiles * ith / nth; t < n_tiles * (ith + 1) / nth; ++t) {
        const int64_t row = t * token_tile;
        kernels.pack_bytes(x + row * ld, ld, std::min(token_tile, n_rows - row), n_in,
                           reinterpret_cast<int32_t *>(packed + row * row_words), scales + row);
    }
}

}  // namespace altclip

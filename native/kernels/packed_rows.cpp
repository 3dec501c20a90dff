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
    if (ggml_is_quantized(weight)) {
        if (precision == Precision::coarse && i8_products(kernels, weight).product) return Operand::i8;
        if (weight == GGML_TYPE_Q8_0 && kernels.product_bytes) return Operand::bytes;
        if (kernels.product_i16) return Operand::i16;
    }
    return weight == GGML_TYPE_BF16 && kernels.product_bf16 ? Operand::bf16 : Operand::f32;
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

void pack_rows(const KernelTable & kernels, Operand operand, const float * x, int64_t ld, int64_t n_rows, int64_t n_in,
               float * packed, int ith, int nth) {
    const int64_t n_tiles = n_token_tiles(kernels, n_rows), token_tile = kernels.token_tile;
    const int64_t row_words = words_of_row(operand, n_in);
    float * scales = packed + n_tiles * token_tile * row_words;
    // A share is a strip of inputs, which the same thread may have written as outputs of the last product: what another
    // core wrote comes slowly. Bytes have one scale a row, so that theirs is whole rows.
    const bool strips = operand != Operand::bytes;
    const auto border = [n_in, nth](int i) { return i < nth ? n_in / i8_run * i / nth * i8_run : n_in; };
    const int64_t k = strips ? border(ith) : 0, n_k = (strips ? border(ith + 1) : n_in) - k;
    const int64_t end = strips ? n_tiles : n_tiles * (ith + 1) / nth;
    for (int64_t t = strips ? 0 : n_tiles * ith / nth; t < end; ++t) {
        const int64_t row = t * token_tile, n = std::min(token_tile, n_rows - row);
        const float * from = x + row * ld + k;
        float * target = packed + row * row_words + words_of_row(operand, k) * token_tile;
        auto * words = reinterpret_cast<int32_t *>(target);
        switch (operand) {
            case Operand::f32: kernels.pack_f32(from, ld, n, n_k, target); break;
            case Operand::i16: kernels.pack_i16(from, ld, n, n_k, words); break;
            case Operand::bytes: kernels.pack_bytes(from, ld, n, n_k, words, scales + row); break;
            case Operand::i8: kernels.pack_i8(from, ld, n, n_k, words); break;
            case Operand::bf16: kernels.pack_bf16(from, ld, n, n_k, words); break;
        }
    }
}

}  // namespace altclip

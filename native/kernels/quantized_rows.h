// ggml's quantised rows taken apart: what each block of 32 inputs says, before it is laid out for the kernels.
#pragma once

#include <cstdint>

#include "ggml.h"

namespace altclip {

/// ggml's block_q8_0.
struct Q8Block {
    ggml_fp16_t scale;
    int8_t values[32];
};
static_assert(sizeof(Q8Block) == 34, "the layout of files");

/// 32 inputs of one row: w = q * scale - minimum, with a scale and a minimum for each half.
struct QuantizedBlock {
    uint8_t q[32];
    float scale[2];
    float minimum[2];
};

/// Takes a row of n_in inputs (a multiple of the type's block) apart into n_in / 32 blocks. q4_0, q4_K, q5_K and q6_K,
/// as ggml's dequantize_row_* read them (ggml-quants.c).
void read_quantized_row(ggml_type type, const void * row, int64_t n_in, QuantizedBlock * blocks);

}  // namespace altclip

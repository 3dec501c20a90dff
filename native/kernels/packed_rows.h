// Activations in the form and order in which products read them.
#pragma once

#include <cstdint>

#include "ggml.h"
#include "kernels/kernels.h"
#include "kernels/precision.h"

namespace altclip {

/// What a table's products with weights of this type take, as far as it has such products: bf16 for bf16, i8 for
/// quantised ones if `precision` is coarse, bytes for q8_0 (Arm's 14-bit activations), 16-bit integers for all but
/// f32.
Operand operand_of(const KernelTable & kernels, ggml_type weight, Precision precision);

/// 32-bit words that n_rows rows of n_in activations take when packed.
int64_t packed_rows_size(const KernelTable & kernels, Operand operand, int64_t n_in, int64_t n_rows);

/// Packs rows x [n_rows][n_in], ld apart; the share of thread `ith` of `nth`.
void pack_rows(const KernelTable & kernels, Operand operand, const float * x, int64_t ld, int64_t n_rows, int64_t n_in,
               float * packed, int ith, int nth);

/// Inputs [k, k + n_k) of n rows, the first of which begins a tile of tokens, to their places among n_in inputs of all
/// rows: x [n][n_k], ld apart. k is a multiple of integer_run, and n_k too but for the last inputs; not for bytes.
void pack_strip(const KernelTable & kernels, Operand operand, const float * x, int64_t ld, int64_t first_row, int64_t n,
                int64_t k, int64_t n_k, int64_t n_in, float * packed);

/// Of n_rows rows.
int64_t n_token_tiles(const KernelTable & kernels, int64_t n_rows);
/// 32-bit words of a packed row of n_in inputs; of the inputs before n_in, where that is a multiple of i8_run.
int64_t words_of_row(Operand operand, int64_t n_in);
/// A table's products of 8-bit activations with weights of this type.
const I8Products & i8_products(const KernelTable & kernels, ggml_type weight);

}  // namespace altclip

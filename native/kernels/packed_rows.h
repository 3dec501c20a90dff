// Activations in the form and order in which products read them.
#pragma once

#include <cstdint>

#include "ggml.h"
#include "kernels/kernels.h"
#include "kernels/precision.h"

namespace altclip {

/// What a table's products with weights of this type take: where they are quantised integers or bytes, of 8 bits if
/// `precision` is coarse, and bf16 for bf16, as far as the table has such products; f32 otherwise.
Operand operand_of(const KernelTable & kernels, ggml_type weight, Precision precision);

/// 32-bit words that n_rows rows of n_in activations take when packed.
int64_t packed_rows_size(const KernelTable & kernels, Operand operand, int64_t n_in, int64_t n_rows);

/// Packs rows x [n_rows][n_in], ld apart; the share of thread `ith` of `nth`.
void pack_rows(const KernelTable & kernels, Operand operand, const float * x, int64_t ld, int64_t n_rows, int64_t n_in,
               float * packed, int ith, int nth);

/// Of n_rows rows.
int64_t n_token_tiles(const KernelTable & kernels, int64_t n_rows);
/// 32-bit words of a packed row of n_in inputs; of the inputs before n_in, where that is a multiple of i8_run.
int64_t words_of_row(Operand operand, int64_t n_in);
/// A table's products of 8-bit activations with weights of this type.
const I8Products & i8_products(const KernelTable & kernels, ggml_type weight);

}  // namespace altclip

// Linear layers over packed operands: y = activation(x W^T + bias) + residual. A layer's work is cut into jobs that the
// threads of a graph take from a counter.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>

#include "kernels/kernels.h"
#include "kernels/packed_weight.h"
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

/// One matrix of a layer; q, k and v are three that share their activations.
struct LinearPart {
    const PackedWeight * weight = nullptr;
    const float * bias = nullptr;  // [n_out], or none
    int64_t column = 0;            // of y, where its outputs begin
};

struct LinearTask {
    const KernelTable * kernels = nullptr;
    std::array<LinearPart, 3> parts;  // of one kind and one n_in; the unused have no weight
    Operand operand = Operand::f32;   // of all parts; activations are packed so
    std::optional<Activation> activation;
    int64_t n_threads = 1;                            // that take jobs, each in a strip of the outputs
    std::atomic<int64_t> next{0};                     // job
    const std::function<bool()> * aborted = nullptr;  // asked before each job, from any thread
};

/// Takes jobs until none is left, or the task is aborted: then y is incomplete. packed: what pack_rows made of n_rows
/// rows; residual and y [n_rows][...], ld apart.
void run_linear(LinearTask & task, const float * packed, int64_t n_rows, const float * residual, int64_t ld_residual,
                float * y, int64_t ld);

}  // namespace altclip

// Linear layers over packed operands: y = activation(x W^T + bias) + residual. A layer's work is cut into jobs that the
// threads of a graph take from a counter.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>

#include "kernels/kernels.h"
#include "kernels/packed_rows.h"
#include "kernels/packed_weight.h"

namespace altclip {

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
    /// Outputs leave packed, as pack_rows would pack them, for products that take this (not bytes). Of one part alone,
    /// without a residual.
    std::optional<Operand> packed_as;
    int64_t n_threads = 1;                            // that take jobs, each in a strip of the outputs
    std::atomic<int64_t> next{0};                     // job
    const std::function<bool()> * aborted = nullptr;  // asked before each job, from any thread
};

/// Rows of a layer's outputs, or of what is added to them: `ld` apart.
struct LinearRows {
    const float * residual = nullptr;
    int64_t ld_residual = 0;
    float * y = nullptr;
    int64_t ld = 0;
};

/// Takes jobs until none is left, or the task is aborted: then y is incomplete. packed: what pack_rows made of n_rows
/// rows. With packed_as, y is packed rows (ld means nothing), and `scratch` has room for linear_scratch_size(n_rows)
/// numbers, for this thread alone.
void run_linear(LinearTask & task, const float * packed, int64_t n_rows, const LinearRows & rows,
                float * scratch = nullptr);
int64_t linear_scratch_size(int64_t n_rows);

}  // namespace altclip

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
    int64_t n_threads = 1;                            // that take jobs, each in a strip of the outputs
    std::atomic<int64_t> next{0};                     // job
    const std::function<bool()> * aborted = nullptr;  // asked before each job, from any thread
};

/// Takes jobs until none is left, or the task is aborted: then y is incomplete. packed: what pack_rows made of n_rows
/// rows; residual and y [n_rows][...], ld apart.
void run_linear(LinearTask & task, const float * packed, int64_t n_rows, const float * residual, int64_t ld_residual,
                float * y, int64_t ld);

}  // namespace altclip

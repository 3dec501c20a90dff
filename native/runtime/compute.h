// The CPU backend: threads, packed weights, one reserved work buffer, and the run of a graph.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "ggml-cpp.h"
#include "ggml-cpu.h"
#include "graph/operators.h"
#include "graph/packed_weights.h"

namespace altclip {

class Compute {
public:
    explicit Compute(int n_threads);

    /// Puts the model's weights into the order of our own kernels, which graphs use from then on. Does nothing where
    /// the environment variable ALTCLIP_KERNELS is "ggml", or the machine has no kernels of ours: then all operators
    /// are ggml's. Throws invalid_argument (ALTCLIP_ISA names nothing this machine has), aborted, std::bad_alloc.
    void pack(const Model & model, const AbortFlag & abort);
    const Execution & execution() const { return execution_; }

    /// Metadata memory for GraphBuilder, reused from graph to graph.
    std::vector<std::byte> & metadata() { return metadata_; }

    /// Makes the work buffer large enough for `builder`'s graph, so that smaller ones never allocate.
    void reserve(const GraphBuilder & builder);

    /// Allocates, uploads the inputs and computes; outputs can be read until the next run. `aborted` is asked between
    /// operators and within long ones, from any thread; once true it stays true. Throws out_of_memory, aborted,
    /// internal.
    void run(const GraphBuilder & builder, const std::function<bool()> & aborted);

    /// n floats of an output, from its element `offset` on.
    static void read(const ggml_tensor * tensor, float * target, size_t n, size_t offset = 0);

private:
    struct FreeThreadpool {
        void operator()(ggml_threadpool * pool) const { ggml_threadpool_free(pool); }
    };

    std::unique_ptr<ggml_threadpool, FreeThreadpool> threadpool_;
    ggml_backend_ptr backend_;
    ggml_gallocr_ptr allocator_;
    std::vector<std::byte> metadata_;
    std::unique_ptr<PackedWeights> packed_;
    std::function<bool()> aborted_;  // of the present run
    Execution execution_;
};

}  // namespace altclip

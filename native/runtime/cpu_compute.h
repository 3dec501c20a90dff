// The CPU backend: threads, packed weights, one reserved work buffer, and the run of a graph.
#pragma once

#include "ggml-cpp.h"
#include "ggml-cpu.h"
#include "graph/packed_weights.h"
#include "runtime/compute.h"

namespace altclip {

class CpuCompute final : public Compute {
public:
    explicit CpuCompute(int n_threads);

    /// Puts the model's weights into the order of our own kernels, which graphs use from then on. Does nothing where
    /// the environment variable ALTCLIP_KERNELS is "ggml", or the machine has no kernels of ours: then all operators
    /// are ggml's. ALTCLIP_ISA that names nothing this machine has is invalid_argument.
    void prepare(Model & model, const AbortFlag & abort) override;

    std::vector<std::byte> & metadata(const GraphShape &) override { return metadata_; }
    void reserve(const GraphBuilder & builder) override;
    /// `aborted` is asked between operators and within long ones.
    void run(const GraphBuilder & builder, const std::function<bool()> & aborted) override;
    const float * read(const ggml_tensor * tensor) override;

private:
    [[noreturn]] void fail_without_memory(const char * what);

    struct FreeThreadpool {
        void operator()(ggml_threadpool * pool) const { ggml_threadpool_free(pool); }
    };

    std::unique_ptr<ggml_threadpool, FreeThreadpool> threadpool_;
    ggml_backend_ptr backend_;
    ggml_gallocr_ptr allocator_;
    std::vector<std::byte> metadata_;
    std::unique_ptr<PackedWeights> packed_;
    std::function<bool()> aborted_;  // of the present run
};

}  // namespace altclip

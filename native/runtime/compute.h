// What graphs are computed on: the CPU (cpu_compute.h) or a GPU (device_compute.h), behind one face.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "graph/operators.h"

namespace altclip {

/// Tokens of one graph: eight pictures of ViT-L/14, enough for the CPU's matrix products to run at full speed.
inline constexpr int64_t cpu_batch_tokens = 8 * 257;

/// What tells one graph from another; equal shapes give equal graphs.
using GraphShape = std::vector<int64_t>;

class Compute {
public:
    virtual ~Compute() = default;

    /// Brings the model's weights to where they are computed with. Called once, before anything else. Throws
    /// out_of_memory, unsupported, invalid_argument, aborted, std::bad_alloc.
    virtual void prepare(Model & model, const AbortFlag & abort) = 0;

    /// How graphs for this are to be built.
    const Execution & execution() const { return execution_; }

    /// Metadata memory for the GraphBuilder of the next graph, kept from graph to graph.
    virtual std::vector<std::byte> & metadata(const GraphShape & shape) = 0;

    /// Makes the work buffer large enough for `builder`'s graph, so that smaller ones never allocate. Throws
    /// out_of_memory, unsupported.
    virtual void reserve(const GraphBuilder & builder) = 0;

    /// Allocates, uploads the inputs and computes; outputs can be read until the next run. `aborted` is asked from any
    /// thread; once true it stays true. Throws out_of_memory, aborted, unsupported, internal.
    virtual void run(const GraphBuilder & builder, const std::function<bool()> & aborted) = 0;

    /// The values of an output, or of an f32 weight; they can be read until the next call of this or run.
    virtual const float * read(const ggml_tensor * tensor) = 0;

    /// Tokens of one graph that the memory has room for.
    int64_t batch_tokens() const { return batch_tokens_; }
    void set_batch_tokens(int64_t n) { batch_tokens_ = n; }

protected:
    /// Throws unsupported where the model's file holds its weights packed, which `reader` does not read.
    static void expect_rows(const Model & model, const std::string & reader);

    Execution execution_;
    int64_t batch_tokens_ = cpu_batch_tokens;
};

/// `device`: "cpu" or a name of list_devices(). `in_f32`: products must not round f32 to less, as the CPU never does.
/// Throws unsupported for any other device or for one that cannot do that, out_of_memory, internal.
std::unique_ptr<Compute> make_compute(const std::string & device, int n_threads, bool in_f32);

}  // namespace altclip

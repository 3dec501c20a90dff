// A GPU, through one of ggml's backends: weights uploaded once, a work buffer on the device, graphs of ggml's
// operators.
#pragma once

#include <list>
#include <string>
#include <utility>

#include "ggml-cpp.h"
#include "runtime/compute.h"
#include "runtime/device.h"

namespace altclip {

class DeviceCompute final : public Compute {
public:
    /// Starts the driver. Throws what start_device throws.
    DeviceCompute(const Device & device, int n_threads, bool in_f32);
    ~DeviceCompute() override;

    /// Uploads the weights, which the model's tensors point to from then on, and gives the file's pages back. The table
    /// of token embeddings stays in host memory where the device cannot look rows up in it.
    void prepare(Model & model, const AbortFlag & abort) override;

    /// Each shape has memory of its own, so that a graph that comes again lies where it lay: the backend recognises it
    /// (CUDA graphs) and it need not be checked again.
    std::vector<std::byte> & metadata(const GraphShape & shape) override;
    void reserve(const GraphBuilder & builder) override;
    /// `aborted` is asked before and after: a GPU does not stop within a graph.
    void run(const GraphBuilder & builder, const std::function<bool()> & aborted) override;
    const float * read(const ggml_tensor * tensor) override;

private:
    struct Slot {
        GraphShape shape;
        std::vector<std::byte> metadata;
        bool admitted = false;  // operators and memory have been checked
    };

    void choose_operators(const Model & model);
    void upload(Model & model, const AbortFlag & abort);
    /// Throws unsupported or out_of_memory, before anything is allocated that could end the process.
    void check(ggml_cgraph * graph);
    size_t needed_memory(ggml_cgraph * graph) const;
    bool supports(ggml_tensor * node) const;
    /// Runs what enters the backend; its failures become errors, after which the device may not be entered again unless
    /// all it lacked was memory.
    template <typename Work>
    void guarded(const char * what, Work work);
    [[noreturn]] void fail_device(const char * what, const std::string & reason, bool memory);
    /// Begins again with neither scratch nor work buffer, nor the graph that stopped half-way for want of memory.
    void restart();

    const Device device_;
    const bool in_f32_;
    ggml_backend_ptr backend_;
    const ggml_backend_buffer_type_t buffer_type_;
    ggml_gallocr_ptr allocator_;
    ggml_backend_buffer_ptr weights_;
    std::list<Slot> slots_;  // latest use first
    std::vector<float> staging_;
    std::string failure_;  // why the device may not be entered again
};

}  // namespace altclip

// A ggml graph under construction: its tensors' metadata, its inputs with the host data they take, its outputs.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "ggml-cpp.h"
#include "ggml.h"

namespace altclip {

class GraphBuilder {
public:
    /// `metadata` is kept by the caller and reused from graph to graph; it grows to what `max_nodes` needs.
    GraphBuilder(std::vector<std::byte> & metadata, size_t max_nodes);

    ggml_context * context() const { return context_.get(); }
    ggml_cgraph * graph() const { return graph_; }

    /// An input in ggml's order of dimensions; `data` is read by upload(), once the graph is allocated.
    ggml_tensor * input(ggml_type type, const void * data, int64_t ne0, int64_t ne1 = 1);
    ggml_tensor * output(ggml_tensor * tensor);
    /// Puts `tensor` and what it needs into the graph now: what has an effect of its own must come before what relies
    /// on it.
    void expand(ggml_tensor * tensor) { ggml_build_forward_expand(graph_, tensor); }

    void upload() const;

    /// A fresh T that lives as long as the graph: what a custom node's function works with.
    template <typename T>
    T * keep() {
        const auto made = std::make_shared<T>();
        kept_.push_back(made);
        return made.get();
    }

private:
    struct Input {
        ggml_tensor * tensor;
        const void * data;
    };

    ggml_context_ptr context_;
    ggml_cgraph * graph_ = nullptr;
    std::vector<Input> inputs_;
    std::vector<std::shared_ptr<void>> kept_;
};

}  // namespace altclip

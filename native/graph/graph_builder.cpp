#include "graph/graph_builder.h"

#include "error.h"
#include "ggml-backend.h"

namespace altclip {

GraphBuilder::GraphBuilder(std::vector<std::byte> & metadata, size_t max_nodes) {
    const size_t n_bytes = ggml_graph_overhead_custom(max_nodes, false) + 2 * max_nodes * ggml_tensor_overhead();
    if (metadata.size() < n_bytes) metadata.resize(n_bytes);
    context_.reset(ggml_init({metadata.size(), metadata.data(), true}));
    if (!context_) fail(ErrorCode::out_of_memory, "no memory for a graph of ", max_nodes, " nodes");
    graph_ = ggml_new_graph_custom(context_.get(), max_nodes, false);
}

ggml_tensor * GraphBuilder::input(ggml_type type, const void * data, int64_t ne0, int64_t ne1) {
    ggml_tensor * tensor = ggml_new_tensor_2d(context_.get(), type, ne0, ne1);
    ggml_set_input(tensor);
    inputs_.push_back({tensor, data});
    return tensor;
}

ggml_tensor * GraphBuilder::output(ggml_tensor * tensor) {
    ggml_set_output(tensor);
    expand(tensor);
    return tensor;
}

void GraphBuilder::upload() const {
    for (const Input & input : inputs_) {
        // an input that nothing uses is not allocated
        if (input.tensor->data) ggml_backend_tensor_set(input.tensor, input.data, 0, ggml_nbytes(input.tensor));
    }
}

}  // namespace altclip

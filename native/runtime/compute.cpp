#include "runtime/compute.h"

#include "error.h"
#include "ggml-alloc.h"
#include "ggml-backend.h"
#include "runtime/machine.h"

namespace altclip {

namespace {

/// A graph that cannot fit must fail here: the system would grant the pages and kill the process when they are touched.
void check_memory(ggml_cgraph * graph) {
    const uint64_t limit = total_memory() / 4 * 3;
    uint64_t n_bytes = 0;  // without any reuse: more than what the allocator will take
    for (int i = 0; i < ggml_graph_n_nodes(graph); ++i) {
        const ggml_tensor * node = ggml_graph_node(graph, i);
        if (!node->view_src) n_bytes += ggml_nbytes(node);
    }
    if (n_bytes <= limit) return;
    // measuring leaves an allocator believing that it has what it measured: use another one
    const ggml_gallocr_ptr measure(ggml_gallocr_new(ggml_backend_cpu_buffer_type()));
    size_t n_needed = 0;
    ggml_gallocr_reserve_n_size(measure.get(), graph, nullptr, nullptr, &n_needed);
    if (n_needed > limit) {
        fail(ErrorCode::out_of_memory, "this input needs ", n_needed >> 20, " MB of work memory, at most ", limit >> 20,
             " MB are allowed on this machine; pass smaller pictures or ask for fewer outputs");
    }
}

}  // namespace

Compute::Compute(int n_threads) {
    require_cpu();
    ggml_threadpool_params params = ggml_threadpool_params_default(n_threads);
    params.poll = 0;  // idle threads sleep
    threadpool_.reset(ggml_threadpool_new(&params));
    backend_.reset(ggml_backend_cpu_init());
    if (!threadpool_ || !backend_) fail(ErrorCode::out_of_memory, "no memory for ", n_threads, " compute threads");
    ggml_backend_cpu_set_n_threads(backend_.get(), n_threads);
    ggml_backend_cpu_set_threadpool(backend_.get(), threadpool_.get());
    allocator_.reset(ggml_gallocr_new(ggml_backend_cpu_buffer_type()));
}

void Compute::reserve(const GraphBuilder & builder) {
    check_memory(builder.graph());
    if (!ggml_gallocr_reserve(allocator_.get(), builder.graph()))
        fail(ErrorCode::out_of_memory, "no memory for the work buffer");
}

void Compute::run(const GraphBuilder & builder, const std::function<bool()> & aborted) {
    check_memory(builder.graph());
    if (!ggml_gallocr_alloc_graph(allocator_.get(), builder.graph())) {
        fail(ErrorCode::out_of_memory, "no memory for the work buffer of this input");
    }
    builder.upload();
    const auto callback = [](void * data) { return (*static_cast<const std::function<bool()> *>(data))(); };
    ggml_backend_cpu_set_abort_callback(backend_.get(), callback, const_cast<std::function<bool()> *>(&aborted));
    const ggml_status status = ggml_backend_graph_compute(backend_.get(), builder.graph());
    ggml_backend_cpu_set_abort_callback(backend_.get(), nullptr, nullptr);
    if (status == GGML_STATUS_ABORTED) fail(ErrorCode::aborted, "the operation was aborted");
    if (status == GGML_STATUS_ALLOC_FAILED) fail(ErrorCode::out_of_memory, "no memory for the operators' scratch");
    if (status != GGML_STATUS_SUCCESS) fail(ErrorCode::internal, "ggml: ", ggml_status_to_string(status));
}

void Compute::read(const ggml_tensor * tensor, float * target, size_t n, size_t offset) {
    ggml_backend_tensor_get(tensor, target, offset * sizeof(float), n * sizeof(float));
}

}  // namespace altclip

#include "runtime/cpu_compute.h"

#include <cstdlib>
#include <string>

#include "error.h"
#include "ggml-alloc.h"
#include "ggml-backend.h"
#include "kernels/kernels.h"
#include "runtime/machine.h"

namespace altclip {

namespace {

void check_graph_memory(ggml_cgraph * graph) {
    double n_bytes = 0;  // without any reuse: more than what the allocator will take
    for (int i = 0; i < ggml_graph_n_nodes(graph); ++i) {
        const ggml_tensor * node = ggml_graph_node(graph, i);
        if (!node->view_src) n_bytes += static_cast<double>(ggml_nbytes(node));
    }
    constexpr double not_worth_measuring = 1 << 30;
    if (n_bytes <= not_worth_measuring) return;
    // measuring leaves an allocator believing that it has what it measured: use another one
    const ggml_gallocr_ptr measure(ggml_gallocr_new(ggml_backend_cpu_buffer_type()));
    size_t n_needed = 0;
    ggml_gallocr_reserve_n_size(measure.get(), graph, nullptr, nullptr, &n_needed);
    check_memory(static_cast<double>(n_needed), "the computation of this input");
}

}  // namespace

CpuCompute::CpuCompute(int n_threads) {
    require_cpu();
    execution_.n_threads = n_threads;
    execution_.aborted = &aborted_;
    ggml_threadpool_params params = ggml_threadpool_params_default(n_threads);
    params.poll = 0;  // idle threads sleep
    threadpool_.reset(ggml_threadpool_new(&params));
    backend_.reset(ggml_backend_cpu_init());
    if (!threadpool_ || !backend_) fail(ErrorCode::out_of_memory, "no memory for ", n_threads, " compute threads");
    ggml_backend_cpu_set_n_threads(backend_.get(), n_threads);
    ggml_backend_cpu_set_threadpool(backend_.get(), threadpool_.get());
    allocator_.reset(ggml_gallocr_new(ggml_backend_cpu_buffer_type()));
}

void CpuCompute::prepare(Model & model, const AbortFlag & abort) {
    const char * kernels = std::getenv("ALTCLIP_KERNELS");
    if (kernels && std::string(kernels) == "ggml") return expect_rows(model, "ggml (ALTCLIP_KERNELS)");
    const KernelTable & table = kernel_table(best_isa());
    // the reference is for tests, which name it: ggml's operators are faster where there is no table for the machine
    if (&table == &scalar_kernels && !std::getenv("ALTCLIP_ISA"))
        return expect_rows(model, "ggml, which computes on this machine,");
    execution_.kernels = &table;
    packed_ = std::make_unique<PackedWeights>(model, execution_.n_threads, abort);
    execution_.packed = packed_.get();
}

void CpuCompute::reserve(const GraphBuilder & builder) {
    check_graph_memory(builder.graph());
    if (!ggml_gallocr_reserve(allocator_.get(), builder.graph())) fail_without_memory("no memory for the work buffer");
}

void CpuCompute::fail_without_memory(const char * what) {
    allocator_.reset(ggml_gallocr_new(ggml_backend_cpu_buffer_type()));  // the old one believes that it has the memory
    fail(ErrorCode::out_of_memory, what);
}

void CpuCompute::run(const GraphBuilder & builder, const std::function<bool()> & aborted) {
    check_graph_memory(builder.graph());
    if (!ggml_gallocr_alloc_graph(allocator_.get(), builder.graph())) {
        fail_without_memory("no memory for the work buffer of this input");
    }
    builder.upload();
    aborted_ = aborted;
    const auto callback = [](void * data) { return (*static_cast<const std::function<bool()> *>(data))(); };
    ggml_backend_cpu_set_abort_callback(backend_.get(), callback, &aborted_);
    const ggml_status status = ggml_backend_graph_compute(backend_.get(), builder.graph());
    ggml_backend_cpu_set_abort_callback(backend_.get(), nullptr, nullptr);
    // the last operator may have stopped early, and ggml asks before operators only
    if (status == GGML_STATUS_ABORTED || (status == GGML_STATUS_SUCCESS && aborted()))
        fail(ErrorCode::aborted, "the operation was aborted");
    if (status == GGML_STATUS_ALLOC_FAILED) fail(ErrorCode::out_of_memory, "no memory for the operators' scratch");
    if (status != GGML_STATUS_SUCCESS) fail(ErrorCode::internal, "ggml: ", ggml_status_to_string(status));
}

const float * CpuCompute::read(const ggml_tensor * tensor) {
    return static_cast<const float *>(tensor->data);
}

}  // namespace altclip

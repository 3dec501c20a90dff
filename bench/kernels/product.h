// One of our products and ggml's own as nodes of ggml graphs, as in the towers.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <random>
#include <vector>

#include "ggml-alloc.h"
#include "ggml-backend.h"
#include "ggml-cpp.h"
#include "ggml-cpu.h"
#include "kernels/huge_pages.h"
#include "kernels/linear.h"

namespace altclip::bench {

struct Shape {
    int64_t k, m, n;
};

inline double seconds(const std::function<void()> & work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

inline void compute_pack(ggml_tensor * dst, int ith, int nth, void * userdata) {
    const auto & task = *static_cast<const LinearTask *>(userdata);
    const ggml_tensor * x = dst->src[0];
    pack_rows(*task.kernels, task.operand, static_cast<const float *>(x->data), x->ne[0], x->ne[1], x->ne[0],
              static_cast<float *>(dst->data), ith, nth);
}

inline void compute_linear(ggml_tensor * dst, int, int, void * userdata) {
    run_linear(*static_cast<LinearTask *>(userdata), static_cast<const float *>(dst->src[0]->data), dst->ne[1],
               {nullptr, 0, static_cast<float *>(dst->data), dst->ne[0]});
}

/// One shape and type: graphs of products of the same activations by `n_copies` weights.
class Product {
public:
    Product(ggml_backend_t backend, const Shape & shape, ggml_type type, Operand operand, int n_threads)
        : backend_(backend), shape_(shape), operand_(operand), n_threads_(n_threads) {
        const size_t n_bytes = ggml_row_size(type, shape.k) * static_cast<size_t>(shape.m);
        constexpr size_t more_than_caches = 128 << 20;
        n_copies_ = shape.n < 64 ? more_than_caches / n_bytes + 1 : 4;
        context_.reset(ggml_init(
            {ggml_tensor_overhead() * (n_copies_ * 8 + 8) + 4 * ggml_graph_overhead_custom(n_copies_ * 4 + 8, false),
             nullptr, true}));
        ggml_context * ctx = context_.get();
        ggml_tensor * x = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, shape.k, shape.n);
        ggml_tensor * bias = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, shape.m);
        const int64_t n_packed = packed_rows_size(kernel_table(best_isa()), operand, shape.k, shape.n);
        ggml_tensor * rows = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, n_packed);
        std::vector<ggml_tensor *> weights;
        for (size_t i = 0; i < n_copies_; ++i) weights.push_back(ggml_new_tensor_2d(ctx, type, shape.k, shape.m));
        inputs_.reset(ggml_backend_alloc_ctx_tensors(ctx, backend));
        fill(x, weights, bias);
        pack_rows(kernel_table(best_isa()), operand, static_cast<const float *>(x->data), shape.k, shape.n, shape.k,
                  static_cast<float *>(rows->data), 0, 1);

        for (ggml_cgraph ** graph : {&alone_, &ours_, &ggmls_})
            *graph = ggml_new_graph_custom(ctx, n_copies_ * 4 + 8, false);
        for (size_t i = 0; i < n_copies_; ++i) {
            LinearTask * task = make_task(weights[i], bias);
            ggml_tensor * packed =
                ggml_custom_4d(ctx, GGML_TYPE_F32, n_packed, 1, 1, 1, &x, 1, compute_pack, GGML_N_TASKS_MAX, task);
            ggml_build_forward_expand(alone_, our_product(ctx, rows, task));
            ggml_build_forward_expand(ours_, our_product(ctx, packed, task));
            ggml_build_forward_expand(ggmls_, ggml_add(ctx, ggml_mul_mat(ctx, weights[i], x), bias));
        }
        for (ggml_cgraph * graph : {alone_, ours_, ggmls_}) {
            allocators_.emplace_back(ggml_gallocr_new(ggml_backend_cpu_buffer_type()));
            ggml_gallocr_alloc_graph(allocators_.back().get(), graph);
        }
    }

    /// Billions of operations a second.
    double alone() { return our_rate(alone_); }
    double ours() { return our_rate(ours_); }
    double ggmls() { return rate(ggmls_); }

private:
    void fill(ggml_tensor * x, const std::vector<ggml_tensor *> & weights, ggml_tensor * bias) {
        std::mt19937 random(1);
        std::normal_distribution<float> normal(0.0f, 0.05f);
        std::vector<float> values(static_cast<size_t>(shape_.k * std::max(shape_.m, shape_.n)));
        for (float & value : values) value = normal(random);
        ggml_backend_tensor_set(x, values.data(), 0, ggml_nbytes(x));
        ggml_backend_tensor_set(bias, values.data(), 0, ggml_nbytes(bias));
        std::vector<std::byte> rows(ggml_nbytes(weights[0]));
        ggml_quantize_chunk(weights[0]->type, values.data(), rows.data(), 0, shape_.m, shape_.k, nullptr);
        for (ggml_tensor * weight : weights) ggml_backend_tensor_set(weight, rows.data(), 0, rows.size());
    }

    LinearTask * make_task(ggml_tensor * weight, ggml_tensor * bias) {
        packed_.emplace_back(weight->type, shape_.k, shape_.m,
                             huge_pages(PackedWeight::n_bytes(weight->type, shape_.k, shape_.m)));
        packed_.back().pack(weight->data, 0, packed_.back().n_tiles());
        LinearTask & task = tasks_.emplace_back();
        task.kernels = &kernel_table(best_isa());
        task.n_threads = n_threads_;
        task.parts[0] = {&packed_.back(), static_cast<const float *>(bias->data), 0};
        task.operand = operand_;
        return &task;
    }

    ggml_tensor * our_product(ggml_context * ctx, ggml_tensor * packed, LinearTask * task) const {
        return ggml_custom_4d(ctx, GGML_TYPE_F32, shape_.m, shape_.n, 1, 1, &packed, 1, compute_linear,
                              GGML_N_TASKS_MAX, task);
    }

    double our_rate(ggml_cgraph * graph) {
        for (LinearTask & task : tasks_) task.next = 0;
        return rate(graph);
    }

    double rate(ggml_cgraph * graph) const {
        const double n_operations =
            2.0 * static_cast<double>(shape_.k * shape_.m * shape_.n) * static_cast<double>(n_copies_);
        return n_operations / seconds([&] { ggml_backend_graph_compute(backend_, graph); }) * 1e-9;
    }

    ggml_backend_t backend_;
    Shape shape_;
    Operand operand_;
    int n_threads_;
    size_t n_copies_;
    ggml_context_ptr context_;
    ggml_backend_buffer_ptr inputs_;
    std::vector<ggml_gallocr_ptr> allocators_;
    std::deque<PackedWeight> packed_;
    std::deque<LinearTask> tasks_;
    ggml_cgraph * alone_;
    ggml_cgraph * ours_;
    ggml_cgraph * ggmls_;
};

}  // namespace altclip::bench

#include "graph/kernel_operators.h"

#include <cmath>

#include "graph/packed_weights.h"
#include "kernels/attention.h"

namespace altclip {

namespace {

float * data(ggml_tensor * tensor) {
    return static_cast<float *>(tensor->data);
}
const float * values(const ggml_tensor * tensor) {
    return tensor ? static_cast<const float *>(tensor->data) : nullptr;
}
/// Floats from a row to the next.
int64_t stride(const ggml_tensor * tensor) {
    return static_cast<int64_t>(tensor->nb[1] / sizeof(float));
}

struct PackTask {
    const KernelTable * kernels;
    Operand operand;
};

void compute_pack(ggml_tensor * dst, int ith, int nth, void * userdata) {
    const auto & task = *static_cast<const PackTask *>(userdata);
    const ggml_tensor * x = dst->src[0];
    pack_rows(*task.kernels, task.operand, values(x), stride(x), x->ne[1], x->ne[0], data(dst), ith, nth);
}

void compute_linear(ggml_tensor * dst, int, int, void * userdata) {
    const ggml_tensor * residual = dst->src[1];
    run_linear(*static_cast<LinearTask *>(userdata), values(dst->src[0]), dst->ne[1], values(residual),
               residual ? stride(residual) : 0, data(dst), stride(dst));
}

struct NormTask {
    const KernelTable * kernels;
    Norm weights;
    float eps;
};

void compute_norm(ggml_tensor * dst, int ith, int nth, void * userdata) {
    const auto & task = *static_cast<const NormTask *>(userdata);
    const ggml_tensor * x = dst->src[0];
    const int64_t n_rows = x->ne[1];
    for (int64_t row = n_rows * ith / nth; row < n_rows * (ith + 1) / nth; ++row) {
        task.kernels->layer_norm(values(x) + row * stride(x), x->ne[0], task.eps, values(task.weights.weight),
                                 values(task.weights.bias), data(dst) + row * stride(dst));
    }
}

/// dst: the result, then each thread's scratch.
void compute_attention(ggml_tensor * dst, int ith, int nth, void * userdata) {
    auto & task = *static_cast<AttentionTask *>(userdata);
    const ggml_tensor *q = dst->src[0], *k = dst->src[1], *v = dst->src[2];
    const int64_t n_scratch = (dst->ne[0] - q->ne[0] * q->ne[1]) / nth;
    const AttentionRows rows{values(q), stride(q), values(k), stride(k), values(v), stride(v), data(dst), q->ne[0]};
    run_attention(task, rows, data(dst) + q->ne[0] * q->ne[1] + ith * n_scratch);
}

ggml_tensor * custom(ggml_context * ctx, int64_t ne0, int64_t ne1, std::initializer_list<ggml_tensor *> sources,
                     ggml_custom_op_t compute, void * task) {
    std::vector<ggml_tensor *> present;
    for (ggml_tensor * source : sources) {
        if (source) present.push_back(source);
    }
    return ggml_custom_4d(ctx, GGML_TYPE_F32, ne0, ne1, 1, 1, present.data(), static_cast<int>(present.size()), compute,
                          GGML_N_TASKS_MAX, task);
}

}  // namespace

ggml_tensor * KernelOperators::packed(ggml_tensor * x, Operand operand) {
    ggml_tensor *& made = packed_[{x, operand}];
    if (!made) {
        auto * task = builder_.keep<PackTask>();
        *task = {execution_.kernels, operand};
        made = custom(ctx_, packed_rows_size(*execution_.kernels, operand, x->ne[0], x->ne[1]), 1, {x}, compute_pack,
                      task);
    }
    return made;
}

ggml_tensor * KernelOperators::product(ggml_tensor * x, std::initializer_list<Part> parts,
                                       std::optional<Activation> activation, ggml_tensor * residual) {
    std::array<LinearPart, 3> linear_parts;
    Operand operand{};
    int64_t n_out = 0;
    size_t n_parts = 0;
    for (const auto & [layer, precision] : parts) {
        const PackedWeight * weight = execution_.packed->find(layer.weight);
        if (!weight) return nullptr;
        const Operand taken = operand_of(*execution_.kernels, weight->type(), precision);
        if (n_parts > 0 && taken != operand) return nullptr;
        operand = taken;
        linear_parts[n_parts++] = {weight, values(layer.bias), n_out};
        n_out += weight->n_out();
    }
    auto * task = builder_.keep<LinearTask>();
    task->kernels = execution_.kernels;
    task->parts = linear_parts;
    task->operand = operand;
    task->activation = activation;
    task->n_threads = execution_.n_threads;
    task->aborted = execution_.aborted;
    return custom(ctx_, n_out, x->ne[1], {packed(x, operand), residual}, compute_linear, task);
}

ggml_tensor * KernelOperators::linear(ggml_tensor * x, const Part & part, std::optional<Activation> activation,
                                      ggml_tensor * residual) {
    ggml_tensor * y = product(x, {part}, activation, residual);
    return y ? y : Operators::linear(x, part.layer, activation, residual);
}

ggml_tensor * KernelOperators::linear(ggml_tensor * x, const Linear & w, std::optional<Activation> activation,
                                      ggml_tensor * residual) {
    return linear(x, {w, execution_.precision}, activation, residual);
}

ggml_tensor * KernelOperators::mlp(ggml_tensor * x, const BlockWeights & w, Activation activation,
                                   ggml_tensor * residual) {
    const Precision precision = execution_.inner_precision;
    return linear(linear(x, {w.up, precision}, activation), {w.down, precision}, {}, residual);
}

ggml_tensor * KernelOperators::norm(ggml_tensor * x, const Norm & w, float eps) {
    auto * task = builder_.keep<NormTask>();
    *task = {execution_.kernels, w, eps};
    return custom(ctx_, x->ne[0], x->ne[1], {x}, compute_norm, task);
}

Qkv KernelOperators::project(ggml_tensor * x_query, ggml_tensor * x, const BlockWeights & w) {
    const Part q{w.q, execution_.inner_precision}, k{w.k, execution_.inner_precision}, v{w.v, execution_.precision};
    const auto columns = [&](ggml_tensor * all, int64_t index) {
        const int64_t n_embd = x->ne[0];
        return ggml_view_2d(ctx_, all, n_embd, all->ne[1], all->nb[1],
                            static_cast<size_t>(index * n_embd) * sizeof(float));
    };
    if (x_query == x) {
        if (ggml_tensor * all = product(x, {q, k, v})) return {columns(all, 0), columns(all, 1), columns(all, 2)};
        if (ggml_tensor * two = product(x, {q, k})) return {columns(two, 0), columns(two, 1), linear(x, v)};
    }
    return {linear(x_query, q), linear(x, k), linear(x, v)};
}

ggml_tensor * KernelOperators::attention(const Qkv & qkv, int n_head, bool pooled_only,
                                         std::vector<ggml_tensor *> * probabilities) {
    if (probabilities) return Operators::attention(qkv, n_head, pooled_only, probabilities);
    const int64_t n_embd = qkv.q->ne[0], n_rows = qkv.q->ne[1];
    auto * task = builder_.keep<AttentionTask>();
    task->kernels = execution_.kernels;
    task->n_head = n_head;
    task->n_embd_head = n_embd / n_head;
    int64_t seq = 0;
    for (const SequenceGroup & group : layout_.groups) {
        const float scale = group.uniform ? 0.0f : 1.0f / std::sqrt(static_cast<float>(task->n_embd_head));
        task->spans.push_back({group.n_seq, pooled_only ? 1 : group.n_query, group.n_key,
                               pooled_only ? seq : group.first, group.first, group.n_query, scale});
        seq += group.n_seq;
    }
    const int64_t n_scratch = attention_scratch_size(task->spans, task->n_embd_head) * execution_.n_threads;
    ggml_tensor * all = custom(ctx_, n_embd * n_rows + n_scratch, 1, {qkv.q, qkv.k, qkv.v}, compute_attention, task);
    return ggml_view_2d(ctx_, all, n_embd, n_rows, static_cast<size_t>(n_embd) * sizeof(float), 0);
}

}  // namespace altclip

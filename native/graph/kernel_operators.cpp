#include "graph/kernel_operators.h"

#include <algorithm>
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
    run_linear(*static_cast<LinearTask *>(userdata), values(dst->src[0]), dst->ne[1],
               {values(residual), residual ? stride(residual) : 0, data(dst), stride(dst)});
}

/// dst: the packed outputs, then each thread's scratch.
struct PackedLinearTask {
    LinearTask * linear;
    int64_t n_rows;
    int64_t n_packed;
};

void compute_packed_linear(ggml_tensor * dst, int ith, int, void * userdata) {
    const auto & task = *static_cast<const PackedLinearTask *>(userdata);
    run_linear(*task.linear, values(dst->src[0]), task.n_rows, {nullptr, 0, data(dst), 0},
               data(dst) + task.n_packed + ith * linear_scratch_size(task.n_rows));
}

/// Rows [first, end) of x to y, ld apart.
void norm_rows(const NormTask & task, const ggml_tensor * x, int64_t first, int64_t end, float * y, int64_t ld) {
    for (int64_t row = first; row < end; ++row, y += ld) {
        task.kernels->layer_norm(values(x) + row * stride(x), x->ne[0], task.eps, values(task.weights.weight),
                                 values(task.weights.bias), y);
    }
}

void compute_norm(ggml_tensor * dst, int ith, int nth, void * userdata) {
    const int64_t first = dst->ne[1] * ith / nth, end = dst->ne[1] * (ith + 1) / nth;
    norm_rows(*static_cast<const NormTask *>(userdata), dst->src[0], first, end, data(dst) + first * stride(dst),
              stride(dst));
}

/// dst: the packed rows, then each thread's scratch, a tile of tokens.
struct PackedNormTask {
    NormTask norm;
    Operand operand;
    int64_t n_packed;
};

void compute_packed_norm(ggml_tensor * dst, int ith, int nth, void * userdata) {
    const auto & task = *static_cast<const PackedNormTask *>(userdata);
    const KernelTable & kernels = *task.norm.kernels;
    const ggml_tensor * x = dst->src[0];
    const int64_t n_in = x->ne[0], n_rows = x->ne[1], n_tiles = n_token_tiles(kernels, n_rows);
    float * rows = data(dst) + task.n_packed + ith * kernels.token_tile * n_in;
    for (int64_t tile = n_tiles * ith / nth; tile < n_tiles * (ith + 1) / nth; ++tile) {
        const int64_t first = tile * kernels.token_tile, end = std::min(first + kernels.token_tile, n_rows);
        norm_rows(task.norm, x, first, end, rows, n_in);
        pack_strip(kernels, task.operand, rows, n_in, first, end - first, 0, n_in, n_in, data(dst));
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
    const KernelTable & kernels = *execution_.kernels;
    ggml_tensor *& made = packed_[{x, operand}];
    if (made) return made;
    const int64_t n_packed = packed_rows_size(kernels, operand, x->ne[0], x->ne[1]);
    const auto norm = norms_.find(x);
    if (norm != norms_.end() && operand != Operand::bytes) {
        auto * task = builder_.keep<PackedNormTask>();
        *task = {norm->second, operand, n_packed};
        const int64_t n_scratch = execution_.n_threads * kernels.token_tile * x->ne[0];
        ggml_tensor * normed = x->src[0];  // what x is the norm of
        return made = custom(ctx_, n_packed + n_scratch, 1, {normed}, compute_packed_norm, task);
    }
    auto * task = builder_.keep<PackTask>();
    *task = {execution_.kernels, operand};
    return made = custom(ctx_, n_packed, 1, {x}, compute_pack, task);
}

LinearTask * KernelOperators::make_task(std::initializer_list<Part> parts, std::optional<Activation> activation) {
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
    return task;
}

ggml_tensor * KernelOperators::outputs(LinearTask * task, ggml_tensor * packed, int64_t n_rows,
                                       ggml_tensor * residual) {
    int64_t n_out = 0;
    for (const LinearPart & part : task->parts) n_out += part.weight ? part.weight->n_out() : 0;
    return custom(ctx_, n_out, n_rows, {packed, residual}, compute_linear, task);
}

ggml_tensor * KernelOperators::packed_outputs(LinearTask * first, ggml_tensor * packed, int64_t n_rows,
                                              const LinearTask & second) {
    first->packed_as = second.operand;
    auto * task = builder_.keep<PackedLinearTask>();
    const int64_t n_between = second.parts[0].weight->n_in();
    *task = {first, n_rows, packed_rows_size(*execution_.kernels, second.operand, n_between, n_rows)};
    const int64_t n_scratch = execution_.n_threads * linear_scratch_size(n_rows);
    return custom(ctx_, task->n_packed + n_scratch, 1, {packed}, compute_packed_linear, task);
}

ggml_tensor * KernelOperators::product(ggml_tensor * x, std::initializer_list<Part> parts,
                                       std::optional<Activation> activation, ggml_tensor * residual) {
    LinearTask * task = make_task(parts, activation);
    return task ? outputs(task, packed(x, task->operand), x->ne[1], residual) : nullptr;
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
    const Part up{w.up, execution_.inner_precision}, down{w.down, execution_.inner_precision};
    LinearTask *first = make_task({up}, activation), *second = make_task({down});
    if (!first || !second) return linear(linear(x, up, activation), down, {}, residual);
    const int64_t n_rows = x->ne[1];
    ggml_tensor * x_packed = packed(x, first->operand);
    // What is between the layers leaves a thread's cache packed and is not waited for once more; but bytes have one
    // scale a row, which is complete too late.
    ggml_tensor * between = second->operand == Operand::bytes
                                ? packed(outputs(first, x_packed, n_rows), second->operand)
                                : packed_outputs(first, x_packed, n_rows, *second);
    return outputs(second, between, n_rows, residual);
}

ggml_tensor * KernelOperators::norm(ggml_tensor * x, const Norm & w, float eps) {
    auto * task = builder_.keep<NormTask>();
    *task = {execution_.kernels, w, eps};
    return custom(ctx_, x->ne[0], x->ne[1], {x}, compute_norm, task);
}

ggml_tensor * KernelOperators::norm_for_linear(ggml_tensor * x, const Norm & w, float eps) {
    ggml_tensor * y = norm(x, w, eps);
    norms_[y] = {execution_.kernels, w, eps};
    return y;
}

Qkv KernelOperators::project(ggml_tensor * x_query, ggml_tensor * x, const BlockWeights & w) {
    const Part q{w.q, execution_.inner_precision}, k{w.k, execution_.inner_precision},
        v{w.v, execution_.inner_precision};
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

ggml_tensor * KernelOperators::attention(const Qkv & qkv, const Linear & reader, int n_head, bool pooled_only,
                                         std::vector<ggml_tensor *> * probabilities) {
    if (probabilities) return Operators::attention(qkv, reader, n_head, pooled_only, probabilities);
    const int64_t n_embd = qkv.q->ne[0], n_rows = qkv.q->ne[1];
    auto * task = builder_.keep<AttentionTask>();
    task->kernels = execution_.kernels;
    task->n_head = n_head;
    task->n_embd_head = n_embd / n_head;
    const Operand taken = operand_of(*execution_.kernels, reader.weight->type, execution_.precision);
    task->in_bf16 = execution_.precision == Precision::coarse && execution_.kernels->product_bf16 &&
                    (taken == Operand::bf16 || taken == Operand::i8);
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

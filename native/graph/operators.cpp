#include "graph/operators.h"

#include <cmath>

#include "graph/kernel_operators.h"

namespace altclip {

namespace {

/// ggml's own gelu and gelu_quick go through half-precision tables on the CPU; these are exact in f32.
ggml_tensor * activate(ggml_context * ctx, ggml_tensor * x, Activation activation) {
    switch (activation) {
        case Activation::gelu_erf: return ggml_gelu_erf_inplace(ctx, x);
        case Activation::quick_gelu: {  // x * sigmoid(1.702 x)
            constexpr float slope = 1.702f;
            return ggml_scale(ctx, ggml_silu_inplace(ctx, ggml_scale(ctx, x, slope)), 1.0f / slope);
        }
        case Activation::gelu_tanh: {  // x * sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3))
            constexpr float slope = 1.5957691216057308f, cubic = 0.044715f;
            ggml_tensor * inner = ggml_mul(ctx, ggml_scale_bias(ctx, ggml_sqr(ctx, x), slope * cubic, slope), x);
            return ggml_mul(ctx, x, ggml_sigmoid(ctx, inner));
        }
        case Activation::relu: return ggml_relu_inplace(ctx, x);
        case Activation::silu: return ggml_silu_inplace(ctx, x);
    }
    return x;
}

}  // namespace

std::unique_ptr<Operators> make_operators(GraphBuilder & builder, const Layout & layout, const Execution & execution) {
    if (!execution.packed) return std::make_unique<Operators>(builder, layout, execution);
    return std::make_unique<KernelOperators>(builder, layout, execution);
}

ggml_tensor * Operators::product(ggml_tensor * a, ggml_tensor * b) {
    ggml_tensor * y = ggml_mul_mat(ctx_, a, b);
    if (execution_.on_device) ggml_prec_set_acc(y, GGML_PREC_F32);
    return y;
}

ggml_tensor * Operators::linear(ggml_tensor * x, const Linear & w, std::optional<Activation> activation,
                                ggml_tensor * residual) {
    ggml_tensor * y = product(w.weight, x);
    if (w.bias) y = ggml_add(ctx_, y, w.bias);
    if (activation) y = activate(ctx_, y, *activation);
    if (residual) y = ggml_add(ctx_, y, residual);
    return y;
}

ggml_tensor * Operators::norm(ggml_tensor * x, const Norm & w, float eps) {
    return ggml_add(ctx_, ggml_mul(ctx_, ggml_norm(ctx_, x, eps), w.weight), w.bias);
}

ggml_tensor * Operators::mlp(ggml_tensor * x, const BlockWeights & w, Activation activation, ggml_tensor * residual) {
    return linear(linear(x, w.up, activation), w.down, {}, residual);
}

Qkv Operators::project(ggml_tensor * x_query, ggml_tensor * x, const BlockWeights & w) {
    return {linear(x_query, w.q), linear(x, w.k), linear(x, w.v)};
}

ggml_tensor * Operators::mixed(ggml_tensor * q, ggml_tensor * k, ggml_tensor * v, float scale,
                               std::vector<ggml_tensor *> * probabilities) {
    if (execution_.flash_attention && !probabilities) {
        ggml_tensor * y = ggml_flash_attn_ext(ctx_, q, k, v, nullptr, scale, 0.0f, 0.0f);
        ggml_prec_set_acc(y, GGML_PREC_F32);
        return y;
    }
    ggml_tensor * p = product(k, ggml_cont(ctx_, q));
    if (probabilities) {
        // not in place: gallocr would reuse what an output is only a view of
        p = builder_.output(ggml_soft_max_ext(ctx_, p, nullptr, scale, 0.0f));
        probabilities->push_back(p);
    } else {
        p = ggml_soft_max_ext_inplace(ctx_, p, nullptr, scale, 0.0f);
    }
    return ggml_permute(ctx_, product(ggml_cont(ctx_, ggml_transpose(ctx_, v)), p), 0, 2, 1, 3);
}

ggml_tensor * Operators::attention(const Qkv & qkv, const Linear & /*reader*/, int n_head, bool pooled_only,
                                   std::vector<ggml_tensor *> * probabilities) {
    const int64_t n_embd = qkv.q->ne[0], n_embd_head = n_embd / n_head;
    int64_t seq = 0;
    for (const SequenceGroup & group : layout_.groups) {
        const auto heads = [&](ggml_tensor * x, int64_t n_rows, int64_t stride, int64_t first) {
            const size_t row = x->nb[1], head = static_cast<size_t>(n_embd_head) * sizeof(float);
            return ggml_view_4d(ctx_, x, n_embd_head, n_head, n_rows, group.n_seq, head, row,
                                static_cast<size_t>(stride) * row, static_cast<size_t>(first) * row);
        };
        const auto rows_first = [&](ggml_tensor * x) { return ggml_permute(ctx_, x, 0, 2, 1, 3); };
        const int64_t n_query = pooled_only ? 1 : group.n_query;
        const int64_t first_query = pooled_only ? seq : group.first;
        ggml_tensor * q = heads(qkv.q, n_query, n_query, first_query);
        ggml_tensor * k = heads(qkv.k, group.n_key, group.n_query, group.first);
        ggml_tensor * v = heads(qkv.v, group.n_key, group.n_query, group.first);
        const float scale = group.uniform ? 0.0f : 1.0f / std::sqrt(static_cast<float>(n_embd_head));
        ggml_tensor * y = mixed(rows_first(q), rows_first(k), rows_first(v), scale, probabilities);
        if (layout_.groups.size() == 1) {
            const int64_t n_rows = n_query * group.n_seq;
            return ggml_is_contiguous(y) ? ggml_reshape_2d(ctx_, y, n_embd, n_rows)
                                         : ggml_cont_2d(ctx_, y, n_embd, n_rows);
        }
        // the group's queries have served: their rows take its result
        builder_.expand(ggml_cpy(ctx_, y, q));
        seq += group.n_seq;
    }
    return ggml_is_contiguous(qkv.q) ? qkv.q : ggml_cont(ctx_, qkv.q);
}

}  // namespace altclip

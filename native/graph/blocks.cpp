#include "graph/blocks.h"

#include <cmath>

namespace altclip {

Blocks::Blocks(GraphBuilder & builder, const Layout & layout, bool keep_attentions)
    : builder_(builder), ctx_(builder.context()), layout_(layout), keep_attentions_(keep_attentions) {
    pooled_rows_ = builder.input(GGML_TYPE_I32, layout.pooled_rows.data(), layout.n_seq());
}

size_t Blocks::max_nodes(int n_layer, size_t n_groups) {
    constexpr size_t per_tower = 64, per_block = 48, per_group = 20;
    return per_tower + static_cast<size_t>(n_layer) * (per_block + per_group * n_groups);
}

ggml_tensor * Blocks::activate(ggml_tensor * x, Activation activation) {
    // ggml's own gelu and gelu_quick go through half-precision tables on the CPU; these are exact in f32
    switch (activation) {
        case Activation::gelu_erf: return ggml_gelu_erf_inplace(ctx_, x);
        case Activation::quick_gelu: {  // x * sigmoid(1.702 x)
            constexpr float slope = 1.702f;
            return ggml_scale(ctx_, ggml_silu_inplace(ctx_, ggml_scale(ctx_, x, slope)), 1.0f / slope);
        }
        case Activation::gelu_tanh: {  // x * sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3))
            constexpr float slope = 1.5957691216057308f, cubic = 0.044715f;
            ggml_tensor * inner = ggml_mul(ctx_, ggml_scale_bias(ctx_, ggml_sqr(ctx_, x), slope * cubic, slope), x);
            return ggml_mul(ctx_, x, ggml_sigmoid(ctx_, inner));
        }
        case Activation::relu: return ggml_relu_inplace(ctx_, x);
        case Activation::silu: return ggml_silu_inplace(ctx_, x);
    }
    return x;
}

ggml_tensor * Blocks::linear(ggml_tensor * x, const Linear & w, std::optional<Activation> activation,
                             ggml_tensor * residual) {
    ggml_tensor * y = ggml_mul_mat(ctx_, w.weight, x);
    if (w.bias) y = ggml_add(ctx_, y, w.bias);
    if (activation) y = activate(y, *activation);
    if (residual) y = ggml_add(ctx_, y, residual);
    return y;
}

ggml_tensor * Blocks::norm(ggml_tensor * x, const Norm & w, float eps) {
    return ggml_add(ctx_, ggml_mul(ctx_, ggml_norm(ctx_, x, eps), w.weight), w.bias);
}

ggml_tensor * Blocks::pooled(ggml_tensor * x) {
    return ggml_get_rows(ctx_, x, pooled_rows_);
}

ggml_tensor * Blocks::attention(ggml_tensor * q, ggml_tensor * k, ggml_tensor * v, int n_head, bool pooled_only) {
    const int64_t n_embd = q->ne[0], n_embd_head = n_embd / n_head;
    const size_t row = q->nb[1], head = static_cast<size_t>(n_embd_head) * sizeof(float);
    std::vector<ggml_tensor *> probabilities;
    int64_t seq = 0;
    for (const SequenceGroup & group : layout_.groups) {
        const auto heads = [&](ggml_tensor * x, int64_t n_rows, int64_t stride, int64_t first) {
            return ggml_view_4d(ctx_, x, n_embd_head, n_head, n_rows, group.n_seq, head, row,
                                static_cast<size_t>(stride) * row, static_cast<size_t>(first) * row);
        };
        const int64_t n_query = pooled_only ? 1 : group.n_query;
        const int64_t first_query = pooled_only ? seq : group.first;
        ggml_tensor * qh = ggml_cont(ctx_, ggml_permute(ctx_, heads(q, n_query, n_query, first_query), 0, 2, 1, 3));
        ggml_tensor * kh = ggml_permute(ctx_, heads(k, group.n_key, group.n_query, group.first), 0, 2, 1, 3);
        ggml_tensor * vh =
            ggml_cont(ctx_, ggml_permute(ctx_, heads(v, group.n_key, group.n_query, group.first), 1, 2, 0, 3));

        const float scale = group.uniform ? 0.0f : 1.0f / std::sqrt(static_cast<float>(n_embd_head));
        ggml_tensor * p = ggml_mul_mat(ctx_, kh, qh);
        if (keep_attentions_) {
            // not in place: gallocr would reuse what an output is only a view of
            p = builder_.output(ggml_soft_max_ext(ctx_, p, nullptr, scale, 0.0f));
            probabilities.push_back(p);
        } else {
            p = ggml_soft_max_ext_inplace(ctx_, p, nullptr, scale, 0.0f);
        }
        ggml_tensor * mixed = ggml_permute(ctx_, ggml_mul_mat(ctx_, vh, p), 0, 2, 1, 3);
        if (layout_.groups.size() == 1) {
            q = ggml_cont_2d(ctx_, mixed, n_embd, n_query * group.n_seq);
        } else {
            // the group's queries have served: their rows take its result
            builder_.expand(ggml_cpy(ctx_, mixed, heads(q, n_query, n_query, first_query)));
        }
        seq += group.n_seq;
    }
    if (keep_attentions_) attentions_.push_back(std::move(probabilities));
    return q;
}

ggml_tensor * Blocks::pre_norm_block(ggml_tensor * x, const BlockWeights & w, const EncoderHparams & p,
                                     bool pooled_only) {
    ggml_tensor * h = norm(x, w.ln1, p.eps);
    ggml_tensor * k = linear(h, w.k);
    ggml_tensor * v = linear(h, w.v);
    if (pooled_only) {
        x = pooled(x);
        h = pooled(h);
    }
    x = linear(attention(linear(h, w.q), k, v, p.n_head, pooled_only), w.out, {}, x);
    h = norm(x, w.ln2, p.eps);
    return linear(linear(h, w.up, p.activation), w.down, {}, x);
}

ggml_tensor * Blocks::post_norm_block(ggml_tensor * x, const BlockWeights & w, const EncoderHparams & p,
                                      bool pooled_only) {
    ggml_tensor * k = linear(x, w.k);
    ggml_tensor * v = linear(x, w.v);
    if (pooled_only) x = pooled(x);
    x = norm(linear(attention(linear(x, w.q), k, v, p.n_head, pooled_only), w.out, {}, x), w.ln1, p.eps);
    return norm(linear(linear(x, w.up, p.activation), w.down, {}, x), w.ln2, p.eps);
}

}  // namespace altclip

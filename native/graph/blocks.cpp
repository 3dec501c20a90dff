#include "graph/blocks.h"

namespace altclip {

Blocks::Blocks(GraphBuilder & builder, const Layout & layout, const Execution & execution, bool keep_attentions)
    : ctx_(builder.context()),
      operators_(make_operators(builder, layout, execution)),
      pooled_rows_(builder.input(GGML_TYPE_I32, layout.pooled_rows.data(), layout.n_seq())),
      keep_attentions_(keep_attentions) {}

size_t Blocks::max_nodes(int n_layer, size_t n_groups) {
    constexpr size_t per_tower = 64, per_block = 48, per_group = 20;
    return per_tower + static_cast<size_t>(n_layer) * (per_block + per_group * n_groups);
}

ggml_tensor * Blocks::pooled(ggml_tensor * x) {
    return ggml_get_rows(ctx_, x, pooled_rows_);
}

ggml_tensor * Blocks::attention(const Qkv & qkv, const Linear & reader, int n_head, bool pooled_only) {
    std::vector<ggml_tensor *> probabilities;
    ggml_tensor * y =
        operators_->attention(qkv, reader, n_head, pooled_only, keep_attentions_ ? &probabilities : nullptr);
    if (keep_attentions_) attentions_.push_back(std::move(probabilities));
    return y;
}

ggml_tensor * Blocks::pre_norm_block(ggml_tensor * x, const BlockWeights & w, const EncoderHparams & p,
                                     bool pooled_only) {
    ggml_tensor * h = operators_->norm_for_linear(x, w.ln1, p.eps);
    const Qkv qkv = operators_->project(pooled_only ? pooled(h) : h, h, w);
    if (pooled_only) x = pooled(x);
    x = operators_->linear(attention(qkv, w.out, p.n_head, pooled_only), w.out, {}, x);
    h = operators_->norm_for_linear(x, w.ln2, p.eps);
    return operators_->mlp(h, w, p.activation, x);
}

ggml_tensor * Blocks::post_norm_block(ggml_tensor * x, const BlockWeights & w, const EncoderHparams & p,
                                      bool pooled_only) {
    ggml_tensor * x_query = pooled_only ? pooled(x) : x;
    const Qkv qkv = operators_->project(x_query, x, w);
    x = norm(operators_->linear(attention(qkv, w.out, p.n_head, pooled_only), w.out, {}, x_query), w.ln1, p.eps);
    return norm(operators_->mlp(x, w, p.activation, x), w.ln2, p.eps);
}

}  // namespace altclip

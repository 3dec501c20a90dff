// What both towers are made of, as ggml operators: linear, norm, attention, and the two kinds of transformer block.
#pragma once

#include <optional>
#include <vector>

#include "graph/graph_builder.h"
#include "graph/layout.h"
#include "model/model.h"

namespace altclip {

/// Matrices are [width, rows] in ggml's order, f32; a row is a token.
class Blocks {
public:
    /// `keep_attentions`: the probabilities of every block become outputs of the graph.
    Blocks(GraphBuilder & builder, const Layout & layout, bool keep_attentions);

    /// x W^T + bias, through `activation`, plus `residual`.
    ggml_tensor * linear(ggml_tensor * x, const Linear & w, std::optional<Activation> activation = {},
                         ggml_tensor * residual = nullptr);
    ggml_tensor * norm(ggml_tensor * x, const Norm & w, float eps);
    /// The rows of token 0, one a sequence.
    ggml_tensor * pooled(ggml_tensor * x);

    /// A whole block. With `pooled_only` the queries are the rows of token 0 alone and so is what comes back.
    ggml_tensor * pre_norm_block(ggml_tensor * x, const BlockWeights & w, const EncoderHparams & p, bool pooled_only);
    ggml_tensor * post_norm_block(ggml_tensor * x, const BlockWeights & w, const EncoderHparams & p, bool pooled_only);

    /// Per block and group, [n_key, n_query, n_head, n_seq].
    const std::vector<std::vector<ggml_tensor *>> & attentions() const { return attentions_; }

    /// Upper bound of the nodes of a tower's graph.
    static size_t max_nodes(int n_layer, size_t n_groups);

private:
    ggml_tensor * activate(ggml_tensor * x, Activation activation);
    /// q: the rows of `x`, or of token 0 alone; k and v: all rows. Comes back in q's rows.
    ggml_tensor * attention(ggml_tensor * q, ggml_tensor * k, ggml_tensor * v, int n_head, bool pooled_only);

    GraphBuilder & builder_;
    ggml_context * ctx_;
    const Layout & layout_;
    ggml_tensor * pooled_rows_;
    bool keep_attentions_;
    std::vector<std::vector<ggml_tensor *>> attentions_;
};

}  // namespace altclip

// The two kinds of transformer block, over whatever operators the execution has.
#pragma once

#include <memory>
#include <vector>

#include "graph/operators.h"

namespace altclip {

class Blocks {
public:
    /// `keep_attentions`: the probabilities of every block become outputs of the graph.
    Blocks(GraphBuilder & builder, const Layout & layout, const Execution & execution, bool keep_attentions);

    ggml_tensor * linear(ggml_tensor * x, const Linear & w) { return operators_->linear(x, w); }
    ggml_tensor * norm(ggml_tensor * x, const Norm & w, float eps) { return operators_->norm(x, w, eps); }
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
    ggml_tensor * attention(const Qkv & qkv, const Linear & reader, int n_head, bool pooled_only);

    ggml_context * ctx_;
    std::unique_ptr<Operators> operators_;
    ggml_tensor * pooled_rows_;
    bool keep_attentions_;
    std::vector<std::vector<ggml_tensor *>> attentions_;
};

}  // namespace altclip

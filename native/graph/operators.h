// What transformer blocks are made of. This class builds ggml's own operators, which every backend has; a subclass may
// build others for some of them (kernel_operators.h).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "graph/graph_builder.h"
#include "graph/layout.h"
#include "kernels/precision.h"
#include "model/model.h"

namespace altclip {

class PackedWeights;
struct KernelTable;

/// How graphs are to be computed.
struct Execution {
    int n_threads = 1;
    const PackedWeights * packed = nullptr;  // null: ggml's own operators alone
    const KernelTable * kernels = nullptr;
    Precision precision = Precision::fine;            // of activations that meet quantised weights
    Precision inner_precision = Precision::fine;      // the same for queries, keys, values and the MLP
    const std::function<bool()> * aborted = nullptr;  // asked within long operators, from any thread
    bool on_device = false;        // a GPU computes: sums are asked to be in f32, whatever the weights' type
    bool flash_attention = false;  // the GPU has it for these heads
    bool host_lookup = false;      // the GPU does not look up token embeddings: their table lies in host memory
};

/// Queries, keys and values; rows may lie apart (views of one matrix).
struct Qkv {
    ggml_tensor * q = nullptr;
    ggml_tensor * k = nullptr;
    ggml_tensor * v = nullptr;
};

/// Matrices are [width, rows] in ggml's order, f32; a row is a token.
class Operators {
public:
    Operators(GraphBuilder & builder, const Layout & layout, const Execution & execution)
        : builder_(builder), ctx_(builder.context()), layout_(layout), execution_(execution) {}
    virtual ~Operators() = default;

    /// x W^T + bias, through `activation`, plus `residual`.
    virtual ggml_tensor * linear(ggml_tensor * x, const Linear & w, std::optional<Activation> activation = {},
                                 ggml_tensor * residual = nullptr);
    virtual ggml_tensor * norm(ggml_tensor * x, const Norm & w, float eps);
    /// The same, for linear layers: what else reads it has it computed once more.
    virtual ggml_tensor * norm_for_linear(ggml_tensor * x, const Norm & w, float eps) { return norm(x, w, eps); }
    /// Both linear layers of a block, with its activation between them, plus `residual`.
    virtual ggml_tensor * mlp(ggml_tensor * x, const BlockWeights & w, Activation activation, ggml_tensor * residual);
    /// Queries of `x_query`, keys and values of `x`.
    virtual Qkv project(ggml_tensor * x_query, ggml_tensor * x, const BlockWeights & w);
    /// For `reader`, in the rows of q: all, or those of token 0 alone. `probabilities`, where given, takes one output
    /// of the graph a group: [n_key, n_query, n_head, n_seq].
    virtual ggml_tensor * attention(const Qkv & qkv, const Linear & reader, int n_head, bool pooled_only,
                                    std::vector<ggml_tensor *> * probabilities);

protected:
    GraphBuilder & builder_;
    ggml_context * ctx_;
    const Layout & layout_;
    const Execution execution_;

private:
    ggml_tensor * product(ggml_tensor * a, ggml_tensor * b);
    /// One group's values mixed by the probabilities of its keys: [n_embd_head, n_head, n_query, n_seq]; q, k and v are
    /// [n_embd_head, rows, n_head, n_seq].
    ggml_tensor * mixed(ggml_tensor * q, ggml_tensor * k, ggml_tensor * v, float scale,
                        std::vector<ggml_tensor *> * probabilities);
};

/// The operators for an execution. Layout and builder must outlive them.
std::unique_ptr<Operators> make_operators(GraphBuilder & builder, const Layout & layout, const Execution & execution);

}  // namespace altclip

// Operators over our own CPU kernels: custom nodes of a ggml graph with bias, activation and residual fused,
// activations packed once for all products that read them.
#pragma once

#include <initializer_list>
#include <map>
#include <utility>

#include "graph/operators.h"
#include "kernels/linear.h"

namespace altclip {

struct NormTask {
    const KernelTable * kernels = nullptr;
    Norm weights;
    float eps = 0;
};

class KernelOperators final : public Operators {
public:
    KernelOperators(GraphBuilder & builder, const Layout & layout, const Execution & execution)
        : Operators(builder, layout, execution) {}

    ggml_tensor * linear(ggml_tensor * x, const Linear & w, std::optional<Activation> activation,
                         ggml_tensor * residual) override;
    ggml_tensor * norm(ggml_tensor * x, const Norm & w, float eps) override;
    ggml_tensor * norm_for_linear(ggml_tensor * x, const Norm & w, float eps) override;
    ggml_tensor * mlp(ggml_tensor * x, const BlockWeights & w, Activation activation, ggml_tensor * residual) override;
    Qkv project(ggml_tensor * x_query, ggml_tensor * x, const BlockWeights & w) override;
    ggml_tensor * attention(const Qkv & qkv, const Linear & reader, int n_head, bool pooled_only,
                            std::vector<ggml_tensor *> * probabilities) override;

private:
    /// x as the products take it, made once.
    ggml_tensor * packed(ggml_tensor * x, Operand operand);
    struct Part {
        const Linear & layer;
        Precision precision;
    };

    /// For parts side by side; null where a weight has no kernels or they take their inputs in different forms.
    LinearTask * make_task(std::initializer_list<Part> parts, std::optional<Activation> activation = {});
    /// [sum of n_out, n_rows]
    ggml_tensor * outputs(LinearTask * task, ggml_tensor * packed, int64_t n_rows, ggml_tensor * residual = nullptr);
    /// The outputs of the first task packed for the second.
    ggml_tensor * packed_outputs(LinearTask * first, ggml_tensor * packed, int64_t n_rows, const LinearTask & second);
    ggml_tensor * linear(ggml_tensor * x, const Part & part, std::optional<Activation> activation = {},
                         ggml_tensor * residual = nullptr);
    /// [sum of n_out, rows of x]; null where there is no task for it.
    ggml_tensor * product(ggml_tensor * x, std::initializer_list<Part> parts, std::optional<Activation> activation = {},
                          ggml_tensor * residual = nullptr);

    std::map<std::pair<ggml_tensor *, Operand>, ggml_tensor *> packed_;
    std::map<ggml_tensor *, NormTask> norms_;  // for linear layers
};

}  // namespace altclip

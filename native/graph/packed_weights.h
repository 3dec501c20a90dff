// The weights of a loaded model in the kernels' order: those that the file holds so, or made from its rows. Then they
// replace the mapped ones: the pages behind those are given back.
#pragma once

#include <unordered_map>

#include "abort_flag.h"
#include "kernels/packed_weight.h"
#include "model/model.h"

namespace altclip {

class PackedWeights {
public:
    /// Packs every linear layer whose type has kernels, on `n_threads` threads; where the file holds them packed there
    /// is nothing to do. Throws std::bad_alloc, aborted.
    PackedWeights(const Model & model, int n_threads, const AbortFlag & abort);

    /// Null where the weight has no kernels: ggml's operators take it as it is.
    const PackedWeight * find(const ggml_tensor * weight) const;

private:
    void map(const Model & model);

    std::unordered_map<const ggml_tensor *, PackedWeight> weights_;
};

}  // namespace altclip

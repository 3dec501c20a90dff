// What a tower's graph gives back: tensors to read once it has been computed. Null or empty where not wanted.
#pragma once

#include <vector>

#include "ggml.h"

namespace altclip {

struct TowerGraph {
    ggml_tensor * last_hidden_state = nullptr;           // [width, n_rows]
    ggml_tensor * pooler_output = nullptr;               // [width, n_seq]
    ggml_tensor * features = nullptr;                    // [projection_dim, n_seq]
    std::vector<ggml_tensor *> hidden_states;            // n_layer + 1 of [n_embd, n_rows]
    std::vector<std::vector<ggml_tensor *>> attentions;  // per block and group, [n_key, n_query, n_head, n_seq]
};

}  // namespace altclip

// The text tower: XLM-RoBERTa, then pre_LN and transformation (transformers' AltCLIPTextModel), then text_projection.
#pragma once

#include "graph/blocks.h"
#include "graph/tower_graph.h"

namespace altclip {

/// Host data of a batch, row by row in the layout's order; it must live until the graph's inputs are uploaded.
struct TextRows {
    const int32_t * ids = nullptr;   // or embeds
    const float * embeds = nullptr;  // [n_rows][n_embd]
    const int32_t * positions = nullptr;
    const int32_t * token_types = nullptr;
};

/// Ids, positions and token types must be within the tables.
TowerGraph build_text_tower(GraphBuilder & builder, const TextWeights & w, const TextHparams & p, const Layout & layout,
                            const TextRows & rows, const Wanted & wanted, const Execution & execution);

}  // namespace altclip

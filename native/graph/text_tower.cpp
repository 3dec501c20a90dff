#include "graph/text_tower.h"

namespace altclip {

TowerGraph build_text_tower(GraphBuilder & builder, const TextWeights & w, const TextHparams & p, const Layout & layout,
                            const TextRows & rows, const Wanted & wanted, const Execution & execution) {
    ggml_context * ctx = builder.context();
    Execution coarse = execution;
    coarse.inner_precision = Precision::coarse;  // what attention makes of values bears less: CONTRIBUTING.md
    Blocks blocks(builder, layout, coarse, wanted.attentions);
    TowerGraph out;
    const auto keep_hidden_state = [&](ggml_tensor * x) {
        if (wanted.hidden_states) out.hidden_states.push_back(builder.output(x));
    };
    const auto lookup = [&](ggml_tensor * table, const int32_t * indices) {
        return ggml_get_rows(ctx, table, builder.input(GGML_TYPE_I32, indices, layout.n_rows));
    };

    ggml_tensor * x = rows.embeds ? builder.input(GGML_TYPE_F32, rows.embeds, p.n_embd, layout.n_rows)
                                  : lookup(w.token_embd, rows.ids);
    x = ggml_add(ctx, x, lookup(w.token_types, rows.token_types));
    x = ggml_add(ctx, x, lookup(w.position_embd, rows.positions));
    x = blocks.norm(x, w.embd_norm, p.eps);

    for (const BlockWeights & block : w.blocks) {
        keep_hidden_state(x);
        const bool pooled_only = wanted.pooled_only() && &block == &w.blocks.back();
        x = blocks.post_norm_block(x, block, p, pooled_only);
    }
    keep_hidden_state(x);

    ggml_tensor * pooled = wanted.pooled_only() ? x : blocks.pooled(x);
    if (wanted.last_hidden_state) {
        out.last_hidden_state = builder.output(blocks.linear(blocks.norm(x, w.post_ln, p.eps), w.transform));
    }
    if (wanted.pooler_output || wanted.features) {
        pooled = blocks.linear(blocks.norm(pooled, w.post_ln, p.eps), w.transform);
        if (wanted.pooler_output) out.pooler_output = builder.output(pooled);
        if (wanted.features) out.features = builder.output(blocks.linear(pooled, w.projection));
    }
    out.attentions = blocks.attentions();
    return out;
}

}  // namespace altclip

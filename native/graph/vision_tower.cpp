#include "graph/vision_tower.h"

namespace altclip {

namespace {

/// Class token and patches of each image, positions added: [n_embd, n_images * (1 + n_patches)].
ggml_tensor * embeddings(GraphBuilder & builder, Blocks & blocks, const VisionWeights & w, const VisionHparams & p,
                         const ImagePatches & images) {
    ggml_context * ctx = builder.context();
    const int64_t n_tokens = 1 + images.n_patches;
    ggml_tensor * patches =
        builder.input(GGML_TYPE_F32, images.patches, w.patch_embd.weight->ne[0], images.n_images * images.n_patches);
    patches = ggml_reshape_3d(ctx, blocks.linear(patches, w.patch_embd), p.n_embd, images.n_patches, images.n_images);
    ggml_tensor * class_token = ggml_repeat_4d(ctx, w.class_embd, p.n_embd, 1, images.n_images, 1);
    ggml_tensor * positions =
        images.positions ? builder.input(GGML_TYPE_F32, images.positions, p.n_embd, n_tokens) : w.position_embd;
    ggml_tensor * x = ggml_add(ctx, ggml_concat(ctx, class_token, patches, 1), positions);
    return ggml_reshape_2d(ctx, x, p.n_embd, images.n_images * n_tokens);
}

}  // namespace

TowerGraph build_vision_tower(GraphBuilder & builder, const VisionWeights & w, const VisionHparams & p,
                              const Layout & layout, const ImagePatches & images, const Wanted & wanted,
                              const Execution & execution) {
    Execution coarse = execution;
    coarse.precision = coarse.inner_precision = Precision::coarse;  // what that costs: CONTRIBUTING.md
    Blocks blocks(builder, layout, coarse, wanted.attentions);
    TowerGraph out;
    const auto keep_hidden_state = [&](ggml_tensor * x) {
        if (wanted.hidden_states) out.hidden_states.push_back(builder.output(x));
    };

    ggml_tensor * x = blocks.norm(embeddings(builder, blocks, w, p, images), w.pre_ln, p.eps);
    for (const BlockWeights & block : w.blocks) {
        keep_hidden_state(x);
        const bool pooled_only = wanted.pooled_only() && &block == &w.blocks.back();
        x = blocks.pre_norm_block(x, block, p, pooled_only);
    }
    keep_hidden_state(x);

    if (wanted.last_hidden_state) out.last_hidden_state = builder.output(x);
    if (wanted.pooler_output || wanted.features) {
        ggml_tensor * pooled = blocks.norm(wanted.pooled_only() ? x : blocks.pooled(x), w.post_ln, p.eps);
        if (wanted.pooler_output) out.pooler_output = builder.output(pooled);
        if (wanted.features) out.features = builder.output(blocks.linear(pooled, w.projection));
    }
    out.attentions = blocks.attentions();
    return out;
}

}  // namespace altclip

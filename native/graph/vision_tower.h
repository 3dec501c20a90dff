// The vision tower: CLIP's ViT (transformers' AltCLIPVisionModel), then visual_projection.
#pragma once

#include "graph/blocks.h"
#include "graph/tower_graph.h"

namespace altclip {

/// Host data of a batch; it must live until the graph's inputs are uploaded.
struct ImagePatches {
    const float * patches = nullptr;    // [n_images][n_patches][n_channels * patch * patch], a patch channel by channel
    const float * positions = nullptr;  // [1 + n_patches][n_embd] where interpolated, null: the model's own table
    int64_t n_images = 0;
    int64_t n_patches = 0;  // of one image
};

TowerGraph build_vision_tower(GraphBuilder & builder, const VisionWeights & w, const VisionHparams & p,
                              const Layout & layout, const ImagePatches & images, const Wanted & wanted,
                              const Execution & execution);

}  // namespace altclip

// How alike texts and pictures are: CLIP's contrastive head.
#pragma once

#include <cstddef>
#include <vector>

namespace altclip {

struct Similarity {
    std::vector<float> text_embeds;      // [n_texts, dim], length 1
    std::vector<float> image_embeds;     // [n_images, dim], length 1
    std::vector<float> logits_per_text;  // [n_texts, n_images]
};

/// Normalises the rows of both ([n, dim], row-major) and multiplies: exp(logit_scale) * T . I^T.
/// Throws invalid_argument where a size is not a multiple of `dim` or nothing is there.
Similarity similarity(std::vector<float> text, std::vector<float> image, size_t dim, float logit_scale);

}  // namespace altclip

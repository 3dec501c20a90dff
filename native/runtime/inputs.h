// What callers hand to a tower and what they get back: plain data, checked before the engine sees it.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/layout.h"
#include "model/hparams.h"

namespace altclip {

/// Row-major [n_rows, n_columns]; either ids or embeds [n_rows, n_columns, hidden]. Empty: as in transformers (all
/// visible; positions counted from the ids that are not pad; token types 0).
struct TextInput {
    int64_t n_rows = 0;
    int64_t n_columns = 0;
    std::vector<int64_t> ids;
    std::vector<float> embeds;
    std::vector<int64_t> attention_mask;
    std::vector<int64_t> position_ids;
    std::vector<int64_t> token_type_ids;

    /// Throws invalid_argument, naming the argument, the row, what it is and what was expected. Fills in position_ids.
    void prepare(const TextHparams & p);
};

/// pixel_values [n_images, n_channels, height, width], row-major.
struct ImageInput {
    int64_t n_images = 0;
    int64_t n_channels = 0;
    int64_t height = 0;
    int64_t width = 0;
    std::vector<float> pixel_values;
    bool interpolate_pos_encoding = false;

    /// Throws invalid_argument as above; NaN and infinite pixels are refused.
    void check(const VisionHparams & p) const;
    int64_t n_patches(const VisionHparams & p) const { return (height / p.patch_size) * (width / p.patch_size); }
};

/// Row-major, first dimension the text rows or images: [n, n_tokens, width], [n, width], [n, projection_dim],
/// n_layer + 1 of [n, n_tokens, n_embd], n_layer of [n, n_head, n_tokens, n_tokens]. Rows that the mask hides are zero.
struct TowerOutput {
    int64_t n_tokens = 0;
    std::vector<float> last_hidden_state;
    std::vector<float> pooler_output;
    std::vector<float> features;
    std::vector<std::vector<float>> hidden_states;
    std::vector<std::vector<float>> attentions;

    /// Makes room for what is wanted of n texts or images, whose states leave their tower `width` wide. Throws
    /// out_of_memory where attentions are more than memory holds.
    void allocate(const Wanted & wanted, const EncoderHparams & p, int64_t n, int64_t n_tokens, int64_t width,
                  int64_t projection_dim);
};

}  // namespace altclip

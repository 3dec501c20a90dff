// Position embeddings of a picture of another size, as CLIP's interpolate_pos_encoding makes them.
#pragma once

#include <cstdint>
#include <vector>

namespace altclip {

/// `table`: [1 + n_grid * n_grid][n_embd], the class token's row first. Returns [1 + height * width][n_embd]: that row,
/// then the grid resized bicubically (torch's interpolate: A = -0.75, align_corners=False, no antialiasing).
std::vector<float> interpolate_positions(const float * table, int64_t n_grid, int64_t n_embd, int64_t height,
                                         int64_t width);

}  // namespace altclip

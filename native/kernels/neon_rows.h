// Row-wise work of the NEON tables: packing, what follows a product, norms, softmax. See kernels.h.
#pragma once

#include <cstdint>
#include <optional>

#include "kernels/kernels.h"

namespace altclip::neon {

inline constexpr int64_t token_tile = 6;

void pack_f32(const float * x, int64_t ld, int64_t n_rows, int64_t n_in, float * out);
void tile_of_rows(const float * x, int64_t ld, int64_t n, int64_t n_in, float * out);
float largest_magnitude(const float * x, int64_t n);
void finish(const float * c, int64_t n, const float * bias, const std::optional<Activation> & activation,
            const float * residual, float * y);
void layer_norm(const float * x, int64_t n, float eps, const float * weight, const float * bias, float * y);
float softmax(float * x, int64_t n, float scale);

}  // namespace altclip::neon

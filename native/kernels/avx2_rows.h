// Row-wise work of the AVX2 table: packing, what follows a product, norms, softmax. See kernels.h.
#pragma once

#include <cstdint>
#include <optional>

#include "model/hparams.h"

namespace altclip::avx2 {

/// Tile: tokens; 6, and of integers 12.
template <int64_t Tile>
void pack_f32(const float * x, int64_t ld, int64_t n_rows, int64_t n_in, float * out);
void tile_of_rows(const float * x, int64_t ld, int64_t n, int64_t n_in, float * out);
template <int64_t Tile>
void pack_i16(const float * x, int64_t ld, int64_t n_rows, int64_t n_in, int32_t * out);
void finish(const float * c, int64_t n, const float * bias, const std::optional<Activation> & activation,
            const float * residual, float * y);
void layer_norm(const float * x, int64_t n, float eps, const float * weight, const float * bias, float * y);
float softmax(float * x, int64_t n, float scale);

}  // namespace altclip::avx2

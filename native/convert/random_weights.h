// Weights as transformers initialises a model made from a config: same distributions, our own random numbers.
#pragma once

#include <cstdint>
#include <memory>

#include "convert/config.h"
#include "convert/weight_source.h"

namespace altclip {

/// Every tensor of model_tensors(config.hparams), f32. The same config and seed give the same values in any order of
/// reading, since an element's value depends on nothing but seed, tensor and index.
std::unique_ptr<WeightSource> random_weights(const ModelConfig & config, uint64_t seed);

}  // namespace altclip

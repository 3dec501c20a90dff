// Which tensors a model has: their names in the GGUF file and in Hugging Face's checkpoints, and their shapes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "convert/weight_source.h"
#include "model/hparams.h"

namespace altclip {

struct TensorSpec {
    std::string name;            // in the GGUF file, see model/names.h
    std::string source_name;     // in the checkpoint, with "encoder.layer" for the blocks of both towers
    std::vector<int64_t> shape;  // in the checkpoint, slowest dimension first
    bool is_weight = false;      // carries the file's dtype; all else stays f32
    bool is_sensitive = false;   // its rounding costs much for its size: a mix keeps it finer
    bool is_wanted = true;       // false: of a tower that is left out, so that a checkpoint may lack it

    /// Multiplied by; the token table is looked up in.
    bool is_linear() const;
    /// The one weight whose rows are padded to whole blocks.
    bool is_patch_embedding() const { return shape.size() == 4; }

    /// ggml's shape, fastest dimension first: a vector, or rows of what the dimensions behind the first hold together.
    std::vector<int64_t> ne() const;
};

/// Every tensor of the towers that `hparams` has, in the file's order; their projections and the scale of the logits
/// where projection_dim is not 0.
std::vector<TensorSpec> model_tensors(const Hparams & hparams);

/// For each spec the index of its tensor in `source`, or one past the last where it is not wanted and not there. All
/// three families of key names are understood (blocks as encoder.layer.N or encoder.layers.N in either tower), also
/// behind "model." or "module.", and those of a tower saved by itself; the buffers of old checkpoints are skipped.
/// Throws model_format naming the tensor where one is unknown, there twice, missing, of another shape or not of a
/// floating-point type.
std::vector<size_t> match_tensors(const std::vector<TensorSpec> & specs, const WeightSource & source);

}  // namespace altclip

// A loaded model: its hyper-parameters and its weights, which lie in the mapped GGUF file; norms, biases and positions
// are copied.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "abort_flag.h"
#include "ggml-cpp.h"
#include "model/gguf_file.h"
#include "model/hparams.h"

namespace altclip {

struct Linear {
    ggml_tensor * weight = nullptr;  // [n_in, n_out] in ggml's order
    ggml_tensor * bias = nullptr;    // [n_out], or none
};

struct Norm {
    ggml_tensor * weight = nullptr;
    ggml_tensor * bias = nullptr;
};

/// ln1 and ln2 stand before attention and MLP in the vision tower, after them in the text tower.
struct BlockWeights {
    Norm ln1, ln2;
    Linear q, k, v, out, up, down;
};

struct TextWeights {
    ggml_tensor * token_embd = nullptr;     // [n_embd, n_vocab]
    ggml_tensor * token_types = nullptr;    // [n_embd, n_token_types]
    ggml_tensor * position_embd = nullptr;  // [n_embd, n_positions]
    Norm embd_norm;
    std::vector<BlockWeights> blocks;
    Norm post_ln;       // transformers' pre_LN
    Linear transform;   // n_embd -> n_project
    Linear projection;  // n_project -> projection_dim; none where that is 0
};

struct VisionWeights {
    ggml_tensor * class_embd = nullptr;  // [n_embd]
    Linear patch_embd;  // [n_channels * patch * patch + zeros up to a whole block, n_embd]: channel slowest, column
                        // fastest
    ggml_tensor * position_embd = nullptr;  // [n_embd, n_positions]
    Norm pre_ln;
    std::vector<BlockWeights> blocks;
    Norm post_ln;
    Linear projection;  // n_embd -> projection_dim; none where that is 0
};

struct LoadOptions {
    // A tower not asked for is neither mapped to weights nor required to be in the file; where both are, a file written
    // for one gives that one.
    bool text = true;
    bool vision = true;
    std::function<void(float)> on_progress;  // fraction of the tensors checked, 0..1
    AbortFlag abort;
};

struct Model {
    Hparams hparams;  // .text and .vision are set for loaded towers only
    std::optional<TextWeights> text;
    std::optional<VisionWeights> vision;
    bool packed = false;       // linear weights' data are not rows but what the CPU kernels read: see packed_weights.h
    float logit_scale = 0.0f;  // natural logarithm, the trained value; 0 without projections
    std::string name;          // general.name
    std::string dtype;         // general.file_type as a name of file_types()
    std::string path;
    uint64_t n_bytes = 0;  // of the loaded towers' weights

    std::shared_ptr<const GgufFile> file;
    ggml_context_ptr context;
    ggml_backend_buffer_ptr buffer;  // the mapping
    ggml_backend_buffer_ptr values;  // what is copied of it
};

/// general.file_type as one of file_types(); "unknown" for a number of no known type.
std::string file_dtype(const GgufFile & file);

/// Maps a GGUF file and checks every key, tensor name, shape, type and offset before use.
/// Throws io (cannot open), model_format (damaged or foreign), unsupported (packed in another version's layout),
/// invalid_argument (no tower asked for is in the file, or both are asked for and the one in it has no projection),
/// aborted.
Model load_model(const std::string & path, const LoadOptions & options);

}  // namespace altclip

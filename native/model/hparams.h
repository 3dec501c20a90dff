// Hyper-parameters of both towers, read from named GGUF keys and range-checked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace altclip {

class GgufFile;

enum class Activation { gelu_erf, gelu_tanh, quick_gelu, relu, silu };

/// From transformers' `hidden_act` ("gelu", "quick_gelu", "gelu_new", ...); throws unsupported, naming `key`.
Activation activation_from_name(const std::string & name, const std::string & key);
const char * activation_name(Activation activation);

/// What both towers' encoder blocks share.
struct EncoderHparams {
    int32_t n_embd = 0;   // hidden_size
    int32_t n_layer = 0;  // num_hidden_layers
    int32_t n_head = 0;   // num_attention_heads
    int32_t n_ff = 0;     // intermediate_size
    float eps = 1e-5f;    // layer_norm_eps
    Activation activation = Activation::gelu_erf;
};

struct TextHparams : EncoderHparams {
    int32_t n_vocab = 0;
    int32_t n_positions = 0;    // max_position_embeddings, pad_token_id + 1 of which are never used
    int32_t n_token_types = 0;  // type_vocab_size
    int32_t n_project = 0;      // project_dim: width of last_hidden_state
    int32_t bos_token_id = 0;
    int32_t pad_token_id = 1;
    int32_t eos_token_id = 2;
};

struct VisionHparams : EncoderHparams {
    int32_t image_size = 0;  // pixels, square
    int32_t patch_size = 0;
    int32_t n_channels = 0;

    int32_t n_grid() const { return image_size / patch_size; }
    int32_t n_positions() const { return n_grid() * n_grid() + 1; }
    int64_t n_patch_values() const { return int64_t{n_channels} * patch_size * patch_size; }
};

struct Hparams {
    std::optional<TextHparams> text;
    std::optional<VisionHparams> vision;
    int32_t projection_dim = 0;  // width of the shared embedding space; 0: a tower saved without its projection
    float logit_scale_init_value = 0.0f;  // natural logarithm

    /// Throws model_format where a value is out of range or two contradict; `source` names the file.
    void validate(const std::string & source) const;
};

/// From the file's keys, both towers where it has both, range-checked. Throws model_format, naming file and key.
Hparams read_hparams(const GgufFile & file);

}  // namespace altclip

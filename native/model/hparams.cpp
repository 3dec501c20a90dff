#include "model/hparams.h"

#include <limits>

#include "error.h"
#include "model/gguf_file.h"
#include "model/names.h"

namespace altclip {

namespace {

struct ActivationName {
    const char * name;
    Activation activation;
};

// transformers' ACT2FN names
constexpr ActivationName activation_names[] = {
    {"gelu", Activation::gelu_erf},       {"gelu_python", Activation::gelu_erf},
    {"gelu_new", Activation::gelu_tanh},  {"gelu_pytorch_tanh", Activation::gelu_tanh},
    {"gelu_fast", Activation::gelu_tanh}, {"quick_gelu", Activation::quick_gelu},
    {"relu", Activation::relu},           {"silu", Activation::silu},
    {"swish", Activation::silu},
};

/// Holds values against ranges; errors name the source, the key, the value and the range.
class Checker {
public:
    explicit Checker(const std::string & source) : source_(source) {}

    void in_range(const std::string & key, double value, double low, double high) const {
        if (value >= low && value <= high) return;
        fail(ErrorCode::model_format, source_, ": ", key, " is ", value, ", expected ", low, " to ", high);
    }
    void require(bool ok, const std::string & what) const {
        if (!ok) fail(ErrorCode::model_format, source_, ": ", what);
    }

    void encoder(const std::string & tower, const EncoderHparams & p) const {
        in_range(tower + "hidden_size", p.n_embd, 1, 65536);
        in_range(tower + "num_hidden_layers", p.n_layer, 1, 512);
        in_range(tower + "num_attention_heads", p.n_head, 1, 1024);
        in_range(tower + "intermediate_size", p.n_ff, 1, 1 << 20);
        in_range(tower + "layer_norm_eps", p.eps, 1e-12, 0.1);
        require(p.n_embd % p.n_head == 0, tower + "hidden_size (" + std::to_string(p.n_embd) +
                                              ") is not a multiple of " + tower + "num_attention_heads (" +
                                              std::to_string(p.n_head) + ")");
    }

private:
    const std::string & source_;
};

int32_t count(const GgufFile & file, const std::string & key) {
    const uint32_t value = file.u32(key);
    if (value > static_cast<uint32_t>(std::numeric_limits<int32_t>::max())) {
        fail(ErrorCode::model_format, file.path(), ": the key '", key, "' is ", value, ", expected less than 2^31");
    }
    return static_cast<int32_t>(value);
}

void read_encoder(const GgufFile & file, const std::string & prefix, EncoderHparams & p) {
    p.n_embd = count(file, prefix + keys::embedding_length);
    p.n_layer = count(file, prefix + keys::block_count);
    p.n_head = count(file, prefix + keys::head_count);
    p.n_ff = count(file, prefix + keys::feed_forward_length);
    p.eps = file.f32(prefix + keys::layer_norm_epsilon);
    const std::string key = prefix + keys::activation;
    p.activation = activation_from_name(std::string(file.string(key)), file.path() + ": " + key);
}

}  // namespace

Activation activation_from_name(const std::string & name, const std::string & key) {
    std::string known;
    for (const ActivationName & one : activation_names) {
        if (name == one.name) return one.activation;
        known += (known.empty() ? "" : ", ") + std::string(one.name);
    }
    fail(ErrorCode::unsupported, key, " is '", name, "', expected one of ", known);
}

const char * activation_name(Activation activation) {
    for (const ActivationName & one : activation_names) {
        if (one.activation == activation) return one.name;
    }
    return "gelu";
}

void Hparams::validate(const std::string & source) const {
    const Checker check(source);
    check.in_range("projection_dim", projection_dim, text && vision ? 1 : 0, 65536);
    check.in_range("logit_scale_init_value", logit_scale_init_value, -100, 100);
    if (text) {
        const std::string tower = "text_config.";
        check.encoder(tower, *text);
        check.in_range(tower + "vocab_size", text->n_vocab, 1, 1 << 27);
        check.in_range(tower + "type_vocab_size", text->n_token_types, 1, 1 << 16);
        check.in_range(tower + "project_dim", text->n_project, 1, 65536);
        check.in_range(tower + "pad_token_id", text->pad_token_id, 0, text->n_vocab - 1);
        check.in_range(tower + "bos_token_id", text->bos_token_id, 0, text->n_vocab - 1);
        check.in_range(tower + "eos_token_id", text->eos_token_id, 0, text->n_vocab - 1);
        check.in_range(tower + "max_position_embeddings", text->n_positions, text->pad_token_id + 2, 1 << 20);
    }
    if (vision) {
        const std::string tower = "vision_config.";
        check.encoder(tower, *vision);
        check.in_range(tower + "image_size", vision->image_size, 1, 16384);
        check.in_range(tower + "patch_size", vision->patch_size, 1, vision->image_size);
        check.in_range(tower + "num_channels", vision->n_channels, 1, 64);
        check.in_range(tower + "image_size / patch_size", vision->n_grid(), 1, 512);
    }
}

Hparams read_hparams(const GgufFile & file) {
    const std::string_view architecture = file.string(keys::architecture);
    if (architecture != "altclip") {
        fail(ErrorCode::model_format, file.path(), ": ", keys::architecture, " is '", architecture,
             "', expected 'altclip'");
    }
    Hparams hparams;
    hparams.projection_dim = count(file, keys::projection_dim);
    hparams.logit_scale_init_value = file.f32(keys::logit_scale_init_value);
    if (file.boolean(keys::has_text_encoder)) {
        TextHparams & text = hparams.text.emplace();
        read_encoder(file, "altclip.text.", text);
        text.n_vocab = count(file, keys::text_vocab_size);
        text.n_positions = count(file, keys::text_context_length);
        text.n_token_types = count(file, keys::text_token_type_count);
        text.n_project = count(file, keys::text_projection_dim);
        text.bos_token_id = count(file, keys::text_bos_token_id);
        text.pad_token_id = count(file, keys::text_pad_token_id);
        text.eos_token_id = count(file, keys::text_eos_token_id);
    }
    if (file.boolean(keys::has_vision_encoder)) {
        VisionHparams & vision = hparams.vision.emplace();
        read_encoder(file, "altclip.vision.", vision);
        vision.image_size = count(file, keys::vision_image_size);
        vision.patch_size = count(file, keys::vision_patch_size);
        vision.n_channels = count(file, keys::vision_channel_count);
    }
    hparams.validate(file.path());
    return hparams;
}

}  // namespace altclip

#include "convert/config.h"

#include <cmath>

#include "convert/json_file.h"
#include "error.h"
#include "io/mapped_file.h"

namespace altclip {

namespace {

/// `key`_dict is a relic of old checkpoints; where it stands, transformers lets it override all of `key`.
JsonObject sub_config(const JsonObject & config, const std::string & key) {
    return config.object(config.find(key + "_dict") ? key + "_dict" : key);
}

void read_encoder(const JsonObject & config, const std::string & source, const std::string & default_act,
                  EncoderHparams & p) {
    p.n_embd = config.integer("hidden_size", p.n_embd);
    p.n_layer = config.integer("num_hidden_layers", p.n_layer);
    p.n_head = config.integer("num_attention_heads", p.n_head);
    p.n_ff = config.integer("intermediate_size", p.n_ff);
    p.eps = static_cast<float>(config.number("layer_norm_eps", 1e-5));
    p.activation = activation_from_name(config.string("hidden_act", default_act), source + ": hidden_act");
}

TextHparams read_text(const JsonObject & config, const std::string & source) {
    TextHparams p;
    p.n_embd = 1024;
    p.n_layer = 24;
    p.n_head = 16;
    p.n_ff = 4096;
    read_encoder(config, source, "gelu", p);
    p.n_vocab = config.integer("vocab_size", 250002);
    p.n_positions = config.integer("max_position_embeddings", 514);
    p.n_token_types = config.integer("type_vocab_size", 1);
    p.n_project = config.integer("project_dim", 768);
    p.bos_token_id = config.integer("bos_token_id", 0);
    p.pad_token_id = config.integer("pad_token_id", 1);
    p.eos_token_id = config.integer("eos_token_id", 2);
    const std::string positions = config.string("position_embedding_type", "absolute");
    if (positions != "absolute") {
        fail(ErrorCode::unsupported, source, ": text_config.position_embedding_type is '", positions,
             "', expected 'absolute'");
    }
    return p;
}

/// Pixels of a side: a number, or [n, n] as transformers 5 allows.
int32_t square(const JsonObject & config, const std::string & key, int32_t fallback) {
    const nlohmann::json * value = config.find(key);
    if (!value || !value->is_array()) return config.integer(key, fallback);
    const std::vector<double> sides = config.numbers(key, 2, {});
    if (sides[0] != sides[1] || sides[0] != std::floor(sides[0]) || std::fabs(sides[0]) > 1e9) {
        config.fail_type(key, "an integer, or a pair of equal ones");
    }
    return static_cast<int32_t>(sides[0]);
}

VisionHparams read_vision(const JsonObject & config, const std::string & source) {
    VisionHparams p;
    p.n_embd = 768;
    p.n_layer = 12;
    p.n_head = 12;
    p.n_ff = 3072;
    read_encoder(config, source, "quick_gelu", p);
    p.image_size = square(config, "image_size", 224);
    p.patch_size = square(config, "patch_size", 32);
    p.n_channels = config.integer("num_channels", 3);
    return p;
}

/// A tower saved by itself.
ModelConfig tower_config(const JsonObject & config, bool is_text, const std::string & source) {
    ModelConfig result;
    if (is_text) {
        result.hparams.text = read_text(config, source);
    } else {
        result.hparams.vision = read_vision(config, source);
    }
    result.hparams.validate(source);
    return result;
}

}  // namespace

ModelConfig parse_config(std::string_view text, const std::string & source) {
    const nlohmann::json json = parse_json(text, source);
    const JsonObject config(json, source);
    const std::string model_type = config.string("model_type", "altclip");
    if (model_type == "altclip_text_model" || model_type == "altclip_vision_model") {
        return tower_config(config, model_type == "altclip_text_model", source);
    }
    if (model_type != "altclip") {
        fail(ErrorCode::model_format, source, ": model_type is '", model_type,
             "', expected 'altclip', 'altclip_text_model' or 'altclip_vision_model'");
    }
    const JsonObject text_config = sub_config(config, "text_config");
    const JsonObject vision_config = sub_config(config, "vision_config");

    ModelConfig result;
    Hparams & hparams = result.hparams;
    hparams.text = read_text(text_config, source);
    hparams.vision = read_vision(vision_config, source);
    hparams.projection_dim = config.integer("projection_dim", 768);
    hparams.logit_scale_init_value = static_cast<float>(config.number("logit_scale_init_value", 2.6592));
    hparams.validate(source);

    result.init.text_range = text_config.number("initializer_range", 0.02);
    result.init.vision_range = vision_config.number("initializer_range", 0.02);
    result.init.vision_factor = vision_config.number("initializer_factor", 1.0);
    result.init.model_factor = config.number("initializer_factor", 1.0);
    return result;
}

ModelConfig read_config(const std::string & path) {
    const MappedFile file(path);
    return parse_config({reinterpret_cast<const char *>(file.data()), file.size()}, path);
}

}  // namespace altclip

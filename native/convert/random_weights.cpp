#include "convert/random_weights.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "convert/tensor_map.h"

namespace altclip {

namespace {

/// A constant where std is 0, else normal around 0; a row of zeros where an embedding has a padding index.
struct Filling {
    float constant = 0.0f;
    float std = 0.0f;
    int64_t zero_begin = 0;
    int64_t zero_end = 0;
};

bool contains(const std::string & text, const char * part) {
    return text.find(part) != std::string::npos;
}

Filling normal(double std) {
    return {0.0f, static_cast<float>(std), 0, 0};
}

/// transformers' _init_weights: AltCLIPPreTrainedModel's rules over PreTrainedModel's.
Filling filling_of(const std::string & name, const ModelConfig & config) {
    const TextHparams & text = *config.hparams.text;
    const VisionHparams & vision = *config.hparams.vision;
    const Initialization & init = config.init;
    if (name == "logit_scale") return {config.hparams.logit_scale_init_value, 0.0f, 0, 0};
    if (name == "text_projection.weight") return normal(std::pow(text.n_project, -0.5) * init.model_factor);
    if (name == "visual_projection.weight") return normal(std::pow(vision.n_embd, -0.5) * init.model_factor);
    const bool is_norm = contains(name, "LayerNorm") || contains(name, "pre_LN") || contains(name, "layer_norm") ||
                         contains(name, "layrnorm") || contains(name, "layernorm");
    if (contains(name, ".bias")) return {};
    if (is_norm) return {1.0f, 0.0f, 0, 0};

    if (name.rfind("text_model.", 0) == 0) {
        Filling filling = normal(init.text_range != 0 ? init.text_range : 0.02);
        if (contains(name, "word_embeddings") || contains(name, "position_embeddings")) {
            filling.zero_begin = int64_t{text.pad_token_id} * text.n_embd;
            filling.zero_end = filling.zero_begin + text.n_embd;
        }
        return filling;
    }
    const double width = std::pow(vision.n_embd, -0.5) * init.vision_factor;
    const double depth = std::pow(2.0 * vision.n_layer, -0.5);
    if (contains(name, "class_embedding") || contains(name, "out_proj")) return normal(width);
    if (contains(name, "self_attn") || contains(name, "fc2")) return normal(width * depth);
    if (contains(name, "fc1")) return normal(std::pow(2.0 * vision.n_embd, -0.5) * init.vision_factor);
    return normal(init.vision_range * init.vision_factor);  // patch_embedding, position_embedding
}

/// SplitMix64's finaliser (Steele, Lea and Flood 2014) as a counter-based generator.
uint64_t mix(uint64_t value) {
    value += 0x9e3779b97f4a7c15u;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

class RandomWeights : public WeightSource {
public:
    RandomWeights(const ModelConfig & config, uint64_t seed) {
        for (TensorSpec & spec : model_tensors(config.hparams)) {
            fillings_.push_back(filling_of(spec.source_name, config));
            keys_.push_back(mix(mix(seed) + keys_.size()));
            tensors_.push_back({std::move(spec.source_name), SourceType::f32, "F32", std::move(spec.shape)});
        }
    }

    const std::vector<SourceTensor> & tensors() const override { return tensors_; }
    const std::string & file_of(size_t) const override { return name_; }
    void read(size_t tensor, int64_t first, int64_t count, float * out) const override {
        const Filling & filling = fillings_[tensor];
        if (filling.std == 0.0f) {
            for (int64_t i = 0; i < count; ++i) out[i] = filling.constant;
            return;
        }
        for (int64_t i = first; i < first + count;) {
            // Box-Muller: element 2n is the cosine, 2n + 1 the sine of pair n
            const uint64_t bits = mix(keys_[tensor] + static_cast<uint64_t>(i / 2));
            const float uniform = (static_cast<float>(bits >> 40) + 1.0f) * 0x1p-24f;  // (0, 1]
            const float angle = static_cast<float>(bits & 0xffffff) * (0x1p-24f * 6.2831853f);
            const float radius = filling.std * std::sqrt(-2.0f * std::log(uniform));
            if (i % 2 == 0) {
                out[i++ - first] = radius * std::cos(angle);
                if (i == first + count) break;
            }
            out[i++ - first] = radius * std::sin(angle);
        }
        for (int64_t i = std::max(first, filling.zero_begin); i < std::min(first + count, filling.zero_end); ++i) {
            out[i - first] = 0.0f;
        }
    }

private:
    std::string name_ = "random weights";
    std::vector<SourceTensor> tensors_;
    std::vector<Filling> fillings_;
    std::vector<uint64_t> keys_;
};

}  // namespace

std::unique_ptr<WeightSource> random_weights(const ModelConfig & config, uint64_t seed) {
    return std::make_unique<RandomWeights>(config, seed);
}

}  // namespace altclip

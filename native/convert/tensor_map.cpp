#include "convert/tensor_map.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "error.h"
#include "model/names.h"

namespace altclip {

namespace {

// buffers that older checkpoints hold beside the weights
constexpr const char * ignored[] = {
    "text_model.roberta.embeddings.position_ids",
    "text_model.roberta.embeddings.token_type_ids",
    "vision_model.embeddings.position_ids",
};

// Of the weights `true` marks the sensitive ones: scripts/reference/mixes.py, and what it found in CONTRIBUTING.md.
class SpecList {
public:
    void add(const std::string & name, const std::string & source, std::vector<int64_t> shape, bool is_weight = false,
             bool is_sensitive = false) {
        if (!element_count(shape)) {
            fail(ErrorCode::model_format, "config.json describes '", source, "' of shape ", shape_text(shape),
                 ", expected at most 2^48 elements");
        }
        specs_.push_back({name, source, std::move(shape), is_weight, is_sensitive});
    }
    void weight(const std::string & name, const std::string & source, std::vector<int64_t> shape,
                bool is_sensitive = false) {
        add(tensors::weight(name), source + ".weight", std::move(shape), true, is_sensitive);
    }
    void linear(const std::string & name, const std::string & source, int64_t n_out, int64_t n_in,
                bool is_sensitive = false) {
        weight(name, source, {n_out, n_in}, is_sensitive);
        add(tensors::bias(name), source + ".bias", {n_out});
    }
    void norm(const std::string & name, const std::string & source, int64_t n) {
        add(tensors::weight(name), source + ".weight", {n});
        add(tensors::bias(name), source + ".bias", {n});
    }

    std::vector<TensorSpec> take() { return std::move(specs_); }

private:
    std::vector<TensorSpec> specs_;
};

void add_text(SpecList & list, const TextHparams & p, int64_t projection_dim) {
    const std::string embeddings = "text_model.roberta.embeddings.";
    list.weight(tensors::text_token_embd, embeddings + "word_embeddings", {p.n_vocab, p.n_embd});
    list.add(tensors::weight(tensors::text_token_types), embeddings + "token_type_embeddings.weight",
             {p.n_token_types, p.n_embd});
    list.add(tensors::weight(tensors::text_position_embd), embeddings + "position_embeddings.weight",
             {p.n_positions, p.n_embd});
    list.norm(tensors::text_embd_norm, embeddings + "LayerNorm", p.n_embd);
    for (int i = 0; i < p.n_layer; ++i) {
        const std::string source = "text_model.roberta.encoder.layer." + std::to_string(i) + ".";
        const auto name = [&](const char * part) { return tensors::block(tensors::text, i, part); };
        list.linear(name(tensors::attn_q), source + "attention.self.query", p.n_embd, p.n_embd);
        list.linear(name(tensors::attn_k), source + "attention.self.key", p.n_embd, p.n_embd);
        list.linear(name(tensors::attn_v), source + "attention.self.value", p.n_embd, p.n_embd, true);
        list.linear(name(tensors::attn_out), source + "attention.output.dense", p.n_embd, p.n_embd, true);
        list.norm(name(tensors::ln1), source + "attention.output.LayerNorm", p.n_embd);
        list.linear(name(tensors::ffn_up), source + "intermediate.dense", p.n_ff, p.n_embd);
        list.linear(name(tensors::ffn_down), source + "output.dense", p.n_embd, p.n_ff, true);
        list.norm(name(tensors::ln2), source + "output.LayerNorm", p.n_embd);
    }
    list.norm(tensors::text_post_ln, "text_model.pre_LN", p.n_embd);
    list.linear(tensors::text_transform, "text_model.transformation", p.n_project, p.n_embd, true);
    if (projection_dim > 0)
        list.weight(tensors::text_projection, "text_projection", {projection_dim, p.n_project}, true);
}

void add_vision(SpecList & list, const VisionHparams & p, int64_t projection_dim) {
    const std::string embeddings = "vision_model.embeddings.";
    list.add(tensors::vision_class_embd, embeddings + "class_embedding", {p.n_embd});
    list.weight(tensors::vision_patch_embd, embeddings + "patch_embedding",
                {p.n_embd, p.n_channels, p.patch_size, p.patch_size}, true);
    list.add(tensors::weight(tensors::vision_position_embd), embeddings + "position_embedding.weight",
             {p.n_positions(), p.n_embd});
    list.norm(tensors::vision_pre_ln, "vision_model.pre_layrnorm", p.n_embd);
    for (int i = 0; i < p.n_layer; ++i) {
        const std::string source = "vision_model.encoder.layer." + std::to_string(i) + ".";
        const auto name = [&](const char * part) { return tensors::block(tensors::vision, i, part); };
        list.norm(name(tensors::ln1), source + "layer_norm1", p.n_embd);
        list.linear(name(tensors::attn_q), source + "self_attn.q_proj", p.n_embd, p.n_embd);
        list.linear(name(tensors::attn_k), source + "self_attn.k_proj", p.n_embd, p.n_embd);
        list.linear(name(tensors::attn_v), source + "self_attn.v_proj", p.n_embd, p.n_embd, true);
        list.linear(name(tensors::attn_out), source + "self_attn.out_proj", p.n_embd, p.n_embd, true);
        list.norm(name(tensors::ln2), source + "layer_norm2", p.n_embd);
        list.linear(name(tensors::ffn_up), source + "mlp.fc1", p.n_ff, p.n_embd);
        list.linear(name(tensors::ffn_down), source + "mlp.fc2", p.n_embd, p.n_ff, true);
    }
    list.norm(tensors::vision_post_ln, "vision_model.post_layernorm", p.n_embd);
    if (projection_dim > 0)
        list.weight(tensors::vision_projection, "visual_projection", {projection_dim, p.n_embd}, true);
}

bool starts_with(const std::string & name, const std::string & start) {
    return name.compare(0, start.size(), start) == 0;
}

std::string canonical(std::string name) {
    // what torch.nn.DataParallel and wrappers around a model put before its names
    for (const std::string prefix : {"module.", "model."}) {
        if (starts_with(name, prefix)) name.erase(0, prefix.size());
    }
    // what a tower saved by itself leaves out (AltCLIPTextModel.save_pretrained, AltCLIPVisionModel.save_pretrained)
    for (const char * part : {"roberta.", "pre_LN.", "transformation."}) {
        if (starts_with(name, part)) name.insert(0, "text_model.");
    }
    for (const char * part : {"embeddings.", "encoder.", "pre_layrnorm.", "post_layernorm."}) {
        if (starts_with(name, part)) name.insert(0, "vision_model.");
    }
    for (const std::string tower : {"text_model.roberta.", "vision_model."}) {
        const std::string plural = tower + "encoder.layers.";
        if (starts_with(name, plural)) return tower + "encoder.layer." + name.substr(plural.size());
    }
    return name;
}

bool is_ignored(const std::string & name) {
    return std::find(std::begin(ignored), std::end(ignored), name) != std::end(ignored);
}

}  // namespace

bool TensorSpec::is_linear() const {
    return is_weight && name != tensors::weight(tensors::text_token_embd);
}

std::vector<int64_t> TensorSpec::ne() const {
    if (shape.empty()) return {1};
    if (shape.size() == 1) return shape;
    int64_t row = 1;
    for (size_t d = 1; d < shape.size(); ++d) row *= shape[d];
    return {row, shape[0]};
}

std::vector<TensorSpec> model_tensors(const Hparams & hparams) {
    SpecList list;
    if (hparams.projection_dim > 0) list.add(tensors::logit_scale, "logit_scale", {});
    if (hparams.text) add_text(list, *hparams.text, hparams.projection_dim);
    if (hparams.vision) add_vision(list, *hparams.vision, hparams.projection_dim);
    return list.take();
}

std::vector<size_t> match_tensors(const std::vector<TensorSpec> & specs, const WeightSource & source) {
    std::unordered_map<std::string, size_t> wanted;
    for (size_t i = 0; i < specs.size(); ++i) wanted.emplace(specs[i].source_name, i);

    const size_t none = source.tensors().size();
    std::vector<size_t> found(specs.size(), none);
    for (size_t i = 0; i < source.tensors().size(); ++i) {
        const SourceTensor & tensor = source.tensors()[i];
        const std::string name = canonical(tensor.name);
        if (is_ignored(name)) continue;
        const auto at = wanted.find(name);
        if (at == wanted.end()) {
            fail(ErrorCode::model_format, source.file_of(i), ": the tensor '", tensor.name,
                 "' does not belong to the AltCLIP that config.json describes");
        }
        const TensorSpec & spec = specs[at->second];
        if (found[at->second] != none) {
            fail(ErrorCode::model_format, source.file_of(i), ": the tensor '", tensor.name, "' is there twice (as '",
                 source.tensors()[found[at->second]].name, "' in ", source.file_of(found[at->second]), ")");
        }
        const bool scalar = spec.shape.empty() && tensor.shape == std::vector<int64_t>{1};
        if (tensor.shape != spec.shape && !scalar) {
            fail(ErrorCode::model_format, source.file_of(i), ": the tensor '", tensor.name, "' has shape ",
                 shape_text(tensor.shape), ", expected ", shape_text(spec.shape), " by config.json");
        }
        if (tensor.type == SourceType::other) {
            fail(ErrorCode::model_format, source.file_of(i), ": the tensor '", tensor.name, "' is of type ",
                 tensor.type_name, ", expected 16, 32 or 64 bit floating point");
        }
        found[at->second] = i;
    }
    for (size_t i = 0; i < specs.size(); ++i) {
        if (found[i] != none || !specs[i].is_wanted) continue;
        const std::string where = none == 0 ? std::string("the checkpoint") : source.file_of(0);
        fail(ErrorCode::model_format, where, ": the tensor '", specs[i].source_name, "' of shape ",
             shape_text(specs[i].shape), " is missing");
    }
    return found;
}

}  // namespace altclip

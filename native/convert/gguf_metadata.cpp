#include "convert/gguf_metadata.h"

#include <vector>

#include "convert/json_file.h"
#include "error.h"
#include "model/names.h"
#include "text/unigram.h"

namespace altclip {

namespace {

void set_u32(gguf_context * gguf, const std::string & key, int32_t value) {
    gguf_set_val_u32(gguf, key.c_str(), static_cast<uint32_t>(value));
}

void write_encoder(gguf_context * gguf, const std::string & prefix, const EncoderHparams & p) {
    set_u32(gguf, prefix + keys::embedding_length, p.n_embd);
    set_u32(gguf, prefix + keys::block_count, p.n_layer);
    set_u32(gguf, prefix + keys::feed_forward_length, p.n_ff);
    set_u32(gguf, prefix + keys::head_count, p.n_head);
    gguf_set_val_f32(gguf, (prefix + keys::layer_norm_epsilon).c_str(), p.eps);
    gguf_set_val_str(gguf, (prefix + keys::activation).c_str(), activation_name(p.activation));
}

/// Copies the fields that are there from JSON to their keys.
class PreprocessorWriter {
public:
    PreprocessorWriter(gguf_context * gguf, const JsonObject & config) : gguf_(gguf), config_(config) {}

    void boolean(const char * field, const char * key) {
        if (config_.find(field)) gguf_set_val_bool(gguf_, key, config_.boolean(field, false));
    }
    void number(const char * field, const char * key) {
        if (config_.find(field)) gguf_set_val_f64(gguf_, key, config_.number(field, 0));
    }
    void channels(const char * field, const char * key) {
        if (!config_.find(field)) return;
        const std::vector<double> values = config_.numbers(field, 3, {});
        gguf_set_arr_data(gguf_, key, GGUF_TYPE_FLOAT64, values.data(), values.size());
    }
    void resample() {
        if (!config_.find("resample")) return;
        const int32_t value = config_.integer("resample", 0);
        if (value < 0 || value > 5) config_.fail_type("resample", "one of Pillow's filters, 0 to 5");
        set_u32(gguf_, keys::image_resample, value);
    }
    /// A number means the shortest edge, as CLIPImageProcessor reads old files.
    void size() {
        const nlohmann::json * value = config_.find("size");
        if (!value) return;
        if (value->is_number()) return pixels(config_, "size", keys::image_size_shortest_edge);
        const JsonObject size = config_.object("size");
        if (size.find("shortest_edge") && !size.find("longest_edge")) {
            return pixels(size, "shortest_edge", keys::image_size_shortest_edge);
        }
        if (!size.find("height") || !size.find("width")) {
            config_.fail_type("size", "a number, {shortest_edge} or {height, width}");
        }
        pixels(size, "height", keys::image_size_height);
        pixels(size, "width", keys::image_size_width);
    }
    void crop_size() {
        const nlohmann::json * value = config_.find("crop_size");
        if (!value) return;
        if (value->is_number()) {
            pixels(config_, "crop_size", keys::image_crop_height);
            return pixels(config_, "crop_size", keys::image_crop_width);
        }
        const JsonObject size = config_.object("crop_size");
        pixels(size, "height", keys::image_crop_height);
        pixels(size, "width", keys::image_crop_width);
    }

private:
    void pixels(const JsonObject & object, const char * field, const char * key) {
        const int32_t value = object.integer(field, 0);
        if (value < 1 || value > 16384) object.fail_type(field, "a number of pixels from 1 to 16384");
        set_u32(gguf_, key, value);
    }

    gguf_context * gguf_;
    const JsonObject & config_;
};

}  // namespace

gguf_context_ptr aligned_gguf(uint32_t alignment) {
    // ggml takes an alignment from a file alone; this one has nothing else
    std::string bytes = GGUF_MAGIC;
    const auto append = [&](auto value) { bytes.append(reinterpret_cast<const char *>(&value), sizeof(value)); };
    const std::string key = GGUF_KEY_GENERAL_ALIGNMENT;
    append(uint32_t{GGUF_VERSION});
    append(int64_t{0});  // tensors
    append(int64_t{1});  // keys
    append(uint64_t{key.size()});
    bytes += key;
    append(int32_t{GGUF_TYPE_UINT32});
    append(alignment);
    return gguf_context_ptr(gguf_init_from_buffer(bytes.data(), bytes.size(), {true, nullptr}));
}

void write_hparams(gguf_context * gguf, const Hparams & hparams) {
    gguf_set_val_bool(gguf, keys::has_text_encoder, hparams.text.has_value());
    gguf_set_val_bool(gguf, keys::has_vision_encoder, hparams.vision.has_value());
    set_u32(gguf, keys::projection_dim, hparams.projection_dim);
    gguf_set_val_f32(gguf, keys::logit_scale_init_value, hparams.logit_scale_init_value);
    if (const auto & text = hparams.text) {
        write_encoder(gguf, "altclip.text.", *text);
        set_u32(gguf, keys::text_vocab_size, text->n_vocab);
        set_u32(gguf, keys::text_context_length, text->n_positions);
        set_u32(gguf, keys::text_token_type_count, text->n_token_types);
        set_u32(gguf, keys::text_projection_dim, text->n_project);
        set_u32(gguf, keys::text_bos_token_id, text->bos_token_id);
        set_u32(gguf, keys::text_pad_token_id, text->pad_token_id);
        set_u32(gguf, keys::text_eos_token_id, text->eos_token_id);
    }
    if (const auto & vision = hparams.vision) {
        write_encoder(gguf, "altclip.vision.", *vision);
        set_u32(gguf, keys::vision_image_size, vision->image_size);
        set_u32(gguf, keys::vision_patch_size, vision->patch_size);
        set_u32(gguf, keys::vision_channel_count, vision->n_channels);
    }
}

void write_preprocessor(gguf_context * gguf, const std::string & path) {
    const nlohmann::json json = read_json_file(path);
    const JsonObject config(json, path);
    PreprocessorWriter writer(gguf, config);
    writer.boolean("do_resize", keys::image_do_resize);
    writer.size();
    writer.resample();
    writer.boolean("do_center_crop", keys::image_do_center_crop);
    writer.crop_size();
    writer.boolean("do_rescale", keys::image_do_rescale);
    writer.number("rescale_factor", keys::image_rescale_factor);
    writer.boolean("do_normalize", keys::image_do_normalize);
    writer.channels("image_mean", keys::image_mean);
    writer.channels("image_std", keys::image_std);
    writer.boolean("do_convert_rgb", keys::image_do_convert_rgb);
}

void write_vocabulary(gguf_context * gguf, const Vocabulary & vocabulary, int32_t n_vocab, const std::string & path) {
    const size_t n = vocabulary.tokens.size();
    if (n > static_cast<size_t>(n_vocab)) {
        fail(ErrorCode::model_format, path, ": the tokenizer has ", n,
             " tokens, the model's text_config.vocab_size is ", n_vocab);
    }
    if (vocabulary.scores.size() != n || vocabulary.types.size() != n) {
        fail(ErrorCode::internal, path, ": tokens, scores and types differ in number");
    }
    std::vector<std::string> tokens;
    for (const std::string_view token : vocabulary.tokens) {
        if (token.find('\0') != std::string_view::npos) {
            fail(ErrorCode::unsupported, path, ": token ", tokens.size(), " contains a NUL character");
        }
        tokens.emplace_back(token);
    }
    std::vector<const char *> pointers;
    for (const std::string & token : tokens) pointers.push_back(token.c_str());
    std::vector<int32_t> types;
    for (const TokenType type : vocabulary.types) types.push_back(static_cast<int32_t>(type));

    gguf_set_val_str(gguf, keys::tokenizer_model, "t5");
    gguf_set_arr_str(gguf, keys::tokenizer_tokens, pointers.data(), n);
    gguf_set_arr_data(gguf, keys::tokenizer_scores, GGUF_TYPE_FLOAT32, vocabulary.scores.data(), n);
    gguf_set_arr_data(gguf, keys::tokenizer_token_type, GGUF_TYPE_INT32, types.data(), n);
    const std::string charsmap(vocabulary.charsmap);  // never null, as an empty view may be
    gguf_set_arr_data(gguf, keys::tokenizer_charsmap, GGUF_TYPE_UINT8, charsmap.data(), charsmap.size());
    const std::string trie = UnigramModel(vocabulary, path).stored_trie();
    gguf_set_arr_data(gguf, keys::tokenizer_trie, GGUF_TYPE_UINT8, trie.data(), trie.size());
    const SpecialTokens & special = vocabulary.special;
    set_u32(gguf, keys::tokenizer_bos_id, special.bos);
    set_u32(gguf, keys::tokenizer_eos_id, special.eos);
    set_u32(gguf, keys::tokenizer_unknown_id, special.unk);
    set_u32(gguf, keys::tokenizer_separator_id, special.sep);
    set_u32(gguf, keys::tokenizer_padding_id, special.pad);
    set_u32(gguf, keys::tokenizer_cls_id, special.cls);
    set_u32(gguf, keys::tokenizer_mask_id, special.mask);
    gguf_set_val_bool(gguf, keys::tokenizer_add_space_prefix, vocabulary.add_dummy_prefix);
    gguf_set_val_bool(gguf, keys::tokenizer_remove_extra_spaces, vocabulary.remove_extra_whitespaces);
    if (vocabulary.pads_left) gguf_set_val_str(gguf, keys::tokenizer_padding_side, "left");
    if (vocabulary.cuts_left) gguf_set_val_str(gguf, keys::tokenizer_truncation_side, "left");
    if (vocabulary.cleans_up) gguf_set_val_bool(gguf, keys::tokenizer_clean_up_spaces, true);
    if (vocabulary.model_max_length) set_u32(gguf, keys::tokenizer_model_max_length, *vocabulary.model_max_length);
    if (vocabulary.model_input_names != default_input_names()) {
        std::vector<const char *> names;
        for (const std::string & name : vocabulary.model_input_names) names.push_back(name.c_str());
        gguf_set_arr_str(gguf, keys::tokenizer_model_input_names, names.data(), names.size());
    }
}

}  // namespace altclip

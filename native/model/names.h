// Every GGUF key and tensor name of an altclip file, used by the converter that writes it and the loader that reads it.
#pragma once

#include <string>

#include "ggml.h"

namespace altclip::keys {

inline constexpr const char * architecture = "general.architecture";  // "altclip"
inline constexpr const char * name = "general.name";
inline constexpr const char * file_type = "general.file_type";  // llama.cpp's ftype numbers
inline constexpr const char * quantization_version = "general.quantization_version";

inline constexpr const char * has_text_encoder = "altclip.has_text_encoder";
inline constexpr const char * has_vision_encoder = "altclip.has_vision_encoder";
inline constexpr const char * packed_layout = "altclip.packed_layout";  // optional, u32: see kernels/packed_weight.h
inline constexpr const char * projection_dim = "altclip.projection_dim";
inline constexpr const char * logit_scale_init_value = "altclip.logit_scale_init_value";

// u32 unless said otherwise; behind "altclip.text." or "altclip.vision."
inline constexpr const char * embedding_length = "embedding_length";
inline constexpr const char * block_count = "block_count";
inline constexpr const char * feed_forward_length = "feed_forward_length";
inline constexpr const char * head_count = "attention.head_count";
inline constexpr const char * layer_norm_epsilon = "attention.layer_norm_epsilon";  // f32
inline constexpr const char * activation = "activation";                            // string, transformers' hidden_act

inline constexpr const char * text_vocab_size = "altclip.text.vocab_size";
inline constexpr const char * text_context_length = "altclip.text.context_length";  // max_position_embeddings
inline constexpr const char * text_token_type_count = "altclip.text.token_type_count";
inline constexpr const char * text_projection_dim = "altclip.text.projection_dim";  // project_dim
inline constexpr const char * text_bos_token_id = "altclip.text.bos_token_id";
inline constexpr const char * text_pad_token_id = "altclip.text.pad_token_id";
inline constexpr const char * text_eos_token_id = "altclip.text.eos_token_id";

inline constexpr const char * vision_image_size = "altclip.vision.image_size";
inline constexpr const char * vision_patch_size = "altclip.vision.patch_size";
inline constexpr const char * vision_channel_count = "altclip.vision.channel_count";

// preprocessor_config.json, under its own names; floating-point values are f64 so that they survive a round trip
inline constexpr const char * image_do_resize = "altclip.image.do_resize";                    // bool
inline constexpr const char * image_size_shortest_edge = "altclip.image.size.shortest_edge";  // or height and width
inline constexpr const char * image_size_height = "altclip.image.size.height";
inline constexpr const char * image_size_width = "altclip.image.size.width";
inline constexpr const char * image_resample = "altclip.image.resample";
inline constexpr const char * image_do_center_crop = "altclip.image.do_center_crop";  // bool
inline constexpr const char * image_crop_height = "altclip.image.crop_size.height";
inline constexpr const char * image_crop_width = "altclip.image.crop_size.width";
inline constexpr const char * image_do_rescale = "altclip.image.do_rescale";          // bool
inline constexpr const char * image_rescale_factor = "altclip.image.rescale_factor";  // f64
inline constexpr const char * image_do_normalize = "altclip.image.do_normalize";      // bool
inline constexpr const char * image_mean = "altclip.image.mean";                      // f64[3]
inline constexpr const char * image_std = "altclip.image.std";                        // f64[3]
inline constexpr const char * image_do_convert_rgb = "altclip.image.do_convert_rgb";  // bool

// llama.cpp's tokenizer keys; ids are those of the model (SentencePiece's plus one)
inline constexpr const char * tokenizer_model = "tokenizer.ggml.model";    // "t5": SentencePiece unigram
inline constexpr const char * tokenizer_tokens = "tokenizer.ggml.tokens";  // string[]
inline constexpr const char * tokenizer_scores = "tokenizer.ggml.scores";  // f32[]
inline constexpr const char * tokenizer_token_type =
    "tokenizer.ggml.token_type";  // i32[]: 1 normal, 2 unknown, 3 control
inline constexpr const char * tokenizer_charsmap = "tokenizer.ggml.precompiled_charsmap";  // u8[]
inline constexpr const char * tokenizer_bos_id = "tokenizer.ggml.bos_token_id";
inline constexpr const char * tokenizer_eos_id = "tokenizer.ggml.eos_token_id";
inline constexpr const char * tokenizer_unknown_id = "tokenizer.ggml.unknown_token_id";
inline constexpr const char * tokenizer_separator_id = "tokenizer.ggml.seperator_token_id";  // sic
inline constexpr const char * tokenizer_padding_id = "tokenizer.ggml.padding_token_id";
inline constexpr const char * tokenizer_cls_id = "tokenizer.ggml.cls_token_id";
inline constexpr const char * tokenizer_mask_id = "tokenizer.ggml.mask_token_id";
inline constexpr const char * tokenizer_add_space_prefix = "tokenizer.ggml.add_space_prefix";             // bool
inline constexpr const char * tokenizer_remove_extra_spaces = "tokenizer.ggml.remove_extra_whitespaces";  // bool
// optional, u8[], UnigramModel::stored_trie: building it is most of what loading a vocabulary takes
inline constexpr const char * tokenizer_trie = "altclip.tokenizer.trie";
// optional, as tokenizer_config.json has them: strings "left" or "right", a bool, a u32, strings
inline constexpr const char * tokenizer_padding_side = "altclip.tokenizer.padding_side";
inline constexpr const char * tokenizer_truncation_side = "altclip.tokenizer.truncation_side";
inline constexpr const char * tokenizer_clean_up_spaces = "altclip.tokenizer.clean_up_tokenization_spaces";
inline constexpr const char * tokenizer_model_max_length = "altclip.tokenizer.model_max_length";
inline constexpr const char * tokenizer_model_input_names = "altclip.tokenizer.model_input_names";

}  // namespace altclip::keys

namespace altclip::tensors {

// A weight is NAME.weight, its bias NAME.bias. Blocks: "t.blk.0.attn_q.weight", "v.blk.11.ffn_up.bias", ... A linear
// layer's weight that lies packed for the kernels is a string of bytes (i8), NAME.weight.packed_q8_0 and the like.
inline std::string weight(const std::string & name) {
    return name + ".weight";
}
inline std::string packed(const std::string & weight, ggml_type type) {
    return weight + ".packed_" + ggml_type_name(type);
}
inline std::string bias(const std::string & name) {
    return name + ".bias";
}
inline std::string block(const std::string & tower, int i, const std::string & part) {
    return tower + ".blk." + std::to_string(i) + "." + part;
}

inline constexpr const char * logit_scale = "logit_scale";  // f32[1]

inline constexpr const char * text = "t";
inline constexpr const char * text_token_embd = "t.token_embd";
inline constexpr const char * text_token_types = "t.token_types";
inline constexpr const char * text_position_embd = "t.position_embd";
inline constexpr const char * text_embd_norm = "t.embd_norm";
inline constexpr const char * text_post_ln = "t.post_ln";      // transformers' pre_LN
inline constexpr const char * text_transform = "t.transform";  // transformers' transformation
inline constexpr const char * text_projection = "t.projection";

inline constexpr const char * vision = "v";
inline constexpr const char * vision_class_embd = "v.class_embd";  // no suffix
inline constexpr const char * vision_patch_embd = "v.patch_embd";
inline constexpr const char * vision_position_embd = "v.position_embd";
inline constexpr const char * vision_pre_ln = "v.pre_ln";
inline constexpr const char * vision_post_ln = "v.post_ln";
inline constexpr const char * vision_projection = "v.projection";

// parts of a block, in both towers
inline constexpr const char * attn_q = "attn_q";
inline constexpr const char * attn_k = "attn_k";
inline constexpr const char * attn_v = "attn_v";
inline constexpr const char * attn_out = "attn_out";
inline constexpr const char * ln1 = "ln1";
inline constexpr const char * ln2 = "ln2";
inline constexpr const char * ffn_up = "ffn_up";
inline constexpr const char * ffn_down = "ffn_down";

}  // namespace altclip::tensors

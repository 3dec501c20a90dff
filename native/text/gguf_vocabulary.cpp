// The tokenizer that an altclip GGUF file carries, under llama.cpp's keys.
#include <limits>

#include "error.h"
#include "model/gguf_file.h"
#include "model/names.h"
#include "text/vocabulary.h"
#include "text/vocabulary_builder.h"

namespace altclip {

namespace {

int32_t special_id(const GgufFile & file, const char * key) {
    const uint32_t id = file.u32(key);
    if (id > static_cast<uint32_t>(std::numeric_limits<int32_t>::max())) {
        fail(ErrorCode::model_format, file.path(), ": key '", key, "' is ", id, ", expected a token id");
    }
    return static_cast<int32_t>(id);
}

bool is_left(const GgufFile & file, const char * key) {
    if (!file.has(key)) return false;
    const std::string_view side = file.string(key);
    if (side != "left" && side != "right") {
        fail(ErrorCode::model_format, file.path(), ": key '", key, "' is '", side, "', expected 'left' or 'right'");
    }
    return side == "left";
}

}  // namespace

Vocabulary read_gguf_vocabulary(std::shared_ptr<const GgufFile> file) {
    if (!file->has(keys::tokenizer_model)) {
        fail(ErrorCode::model_format, file->path(), ": carries no tokenizer (key '", keys::tokenizer_model, "')");
    }
    if (file->string(keys::tokenizer_model) != "t5") {
        fail(ErrorCode::unsupported, file->path(), ": tokenizer '", file->string(keys::tokenizer_model),
             "', expected 't5' (SentencePiece unigram)");
    }
    Vocabulary vocabulary;
    vocabulary.tokens = file->strings(keys::tokenizer_tokens);
    vocabulary.scores = file->f32s(keys::tokenizer_scores);
    vocabulary.types.reserve(vocabulary.tokens.size());
    for (const int32_t type : file->i32s(keys::tokenizer_token_type)) {
        // an unknown number must not become a known one by narrowing
        vocabulary.types.push_back(static_cast<TokenType>(type >= 1 && type <= 3 ? type : 0));
    }
    if (file->has(keys::tokenizer_charsmap)) vocabulary.charsmap = file->bytes(keys::tokenizer_charsmap);
    if (file->has(keys::tokenizer_trie)) vocabulary.trie = file->bytes(keys::tokenizer_trie);
    vocabulary.special.bos = special_id(*file, keys::tokenizer_bos_id);
    vocabulary.special.pad = special_id(*file, keys::tokenizer_padding_id);
    vocabulary.special.eos = special_id(*file, keys::tokenizer_eos_id);
    vocabulary.special.unk = special_id(*file, keys::tokenizer_unknown_id);
    vocabulary.special.sep = special_id(*file, keys::tokenizer_separator_id);
    vocabulary.special.cls = special_id(*file, keys::tokenizer_cls_id);
    vocabulary.special.mask = special_id(*file, keys::tokenizer_mask_id);
    vocabulary.add_dummy_prefix = file->boolean(keys::tokenizer_add_space_prefix);
    vocabulary.remove_extra_whitespaces = file->boolean(keys::tokenizer_remove_extra_spaces);
    if (file->has(keys::tokenizer_model_max_length)) {
        vocabulary.model_max_length = special_id(*file, keys::tokenizer_model_max_length);
    }
    vocabulary.pads_left = is_left(*file, keys::tokenizer_padding_side);
    vocabulary.cuts_left = is_left(*file, keys::tokenizer_truncation_side);
    vocabulary.cleans_up = file->has(keys::tokenizer_clean_up_spaces) && file->boolean(keys::tokenizer_clean_up_spaces);
    if (file->has(keys::tokenizer_model_input_names)) {
        const auto names = file->strings(keys::tokenizer_model_input_names);
        vocabulary.model_input_names.assign(names.begin(), names.end());
    }
    validate_vocabulary(vocabulary, file->path());
    vocabulary.storage = std::move(file);
    return vocabulary;
}

}  // namespace altclip

// The vocabulary of an XLM-RoBERTa tokenizer: pieces, scores and the normaliser's character map, whatever file they
// came from. Ids are the model's: <s> 0, <pad> 1, </s> 2, <unk> 3, then SentencePiece's pieces one higher, <mask> last.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace altclip {

class GgufFile;

enum class TokenType : int8_t { normal = 1, unknown = 2, control = 3 };  // llama.cpp's numbers

struct SpecialTokens {
    int32_t bos = 0;
    int32_t pad = 1;
    int32_t eos = 2;
    int32_t unk = 3;
    int32_t sep = 2;
    int32_t cls = 0;
    int32_t mask = -1;  // the last id
};

/// XLM-RoBERTa's model_input_names: what a call gives without being asked.
inline std::vector<std::string> default_input_names() {
    return {"input_ids", "attention_mask"};
}

struct Vocabulary {
    std::vector<std::string_view> tokens;  // by id, UTF-8; views into storage
    std::vector<float> scores;             // by id; log probabilities of the unigram model
    std::vector<TokenType> types;          // by id
    std::string_view charsmap;  // SentencePiece's precompiled_charsmap: u32 trie size, trie, strings; may be empty
    std::string_view trie;      // UnigramModel::stored_trie, unchecked, so that it need not be built; may be empty
    SpecialTokens special;
    bool add_dummy_prefix = true;
    bool remove_extra_whitespaces = true;
    // what a call does that does not say otherwise
    std::optional<int32_t> model_max_length;
    bool pads_left = false;  // padding_side
    bool cuts_left = false;  // truncation_side
    bool cleans_up = false;  // clean_up_tokenization_spaces of decode
    std::vector<std::string> model_input_names = default_input_names();
    std::shared_ptr<const void> storage;
};

/// Each throws io or model_format, naming the file and what is wrong with it.
Vocabulary read_tokenizer_json(const std::string & path);
Vocabulary read_sentencepiece_model(const std::string & path);
Vocabulary read_gguf_vocabulary(std::shared_ptr<const GgufFile> file);
/// By the file's content: GGUF, tokenizer.json or a SentencePiece model. tokenizer_config.json beside either of the
/// last two says how calls go.
Vocabulary read_vocabulary(const std::string & path);

/// Writes a tokenizer.json that the tokenizers library and read_tokenizer_json take for the same tokenizer; it appears
/// when it is complete. Throws io, and unsupported for what such a file cannot say.
void write_tokenizer_json(const Vocabulary & vocabulary, const std::string & path);

}  // namespace altclip

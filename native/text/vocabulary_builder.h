// Collects a vocabulary whose strings are copied out of the file, and the checks that every reader ends with.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/vocabulary.h"

namespace altclip {

constexpr size_t max_tokens = size_t{1} << 20;  // XLM-RoBERTa has 250,002; what each takes is several times its text

// SentencePiece's trainer allows 512 characters; the limit bounds what one position of a text can cost.
constexpr size_t max_token_bytes = 2048;

class VocabularyBuilder {
public:
    /// `source` is the file that errors name.
    explicit VocabularyBuilder(std::string source) : source_(std::move(source)) {}
    /// Throws model_format beyond max_tokens.
    void add(std::string_view token, float score, TokenType type);
    void set_charsmap(std::string charsmap) { charsmap_ = std::move(charsmap); }
    void set_type(size_t id, TokenType type) { types_[id] = type; }
    size_t size() const { return ends_.size(); }
    std::string_view token(size_t id) const;

    /// The tokens, scores, types and the character map; the rest stays at its defaults.
    Vocabulary build() &&;

private:
    std::string source_;
    std::string bytes_;  // all tokens, one behind the other
    std::vector<size_t> ends_;
    std::vector<float> scores_;
    std::vector<TokenType> types_;
    std::string charsmap_;
};

/// Throws model_format, naming `source`, where sizes differ, a token is empty, too long, no UTF-8 or holds a zero byte,
/// a score is not finite or a special id is not a token's.
void validate_vocabulary(const Vocabulary & vocabulary, const std::string & source);

}  // namespace altclip

#include "text/vocabulary_builder.h"

#include <cmath>
#include <utility>

#include "error.h"
#include "text/utf8.h"

namespace altclip {

namespace {

struct Storage {
    std::string bytes;
    std::string charsmap;
};

}  // namespace

void VocabularyBuilder::add(std::string_view token, float score, TokenType type) {
    if (ends_.size() == max_tokens) {
        fail(ErrorCode::model_format, source_, ": a vocabulary of more than ", max_tokens, " tokens");
    }
    bytes_ += token;
    ends_.push_back(bytes_.size());
    scores_.push_back(score);
    types_.push_back(type);
}

std::string_view VocabularyBuilder::token(size_t id) const {
    const size_t begin = id == 0 ? 0 : ends_[id - 1];
    return std::string_view(bytes_).substr(begin, ends_[id] - begin);
}

Vocabulary VocabularyBuilder::build() && {
    const auto storage = std::make_shared<Storage>(Storage{std::move(bytes_), std::move(charsmap_)});
    Vocabulary vocabulary;
    vocabulary.tokens.reserve(ends_.size());
    size_t begin = 0;
    for (const size_t end : ends_) {
        vocabulary.tokens.push_back(std::string_view(storage->bytes).substr(begin, end - begin));
        begin = end;
    }
    vocabulary.scores = std::move(scores_);
    vocabulary.types = std::move(types_);
    vocabulary.charsmap = storage->charsmap;
    vocabulary.storage = storage;
    return vocabulary;
}

void validate_vocabulary(const Vocabulary & vocabulary, const std::string & source) {
    const size_t n = vocabulary.tokens.size();
    const auto bad = [&source](const auto &... what) { fail(ErrorCode::model_format, source, ": ", what...); };
    if (n == 0 || n > max_tokens) bad("a vocabulary of ", n, " tokens, expected 1 to ", max_tokens);
    if (vocabulary.scores.size() != n || vocabulary.types.size() != n) {
        bad(n, " tokens, ", vocabulary.scores.size(), " scores and ", vocabulary.types.size(),
            " token types, expected as many of each");
    }
    for (size_t id = 0; id < n; ++id) {
        const std::string_view token = vocabulary.tokens[id];
        if (token.empty() || token.size() > max_token_bytes) {
            bad("token ", id, " has ", token.size(), " bytes, expected 1 to ", max_token_bytes);
        }
        if (token.find('\0') != std::string_view::npos || !is_valid_utf8(token)) {
            bad("token ", id, " is not UTF-8 text");
        }
        if (!std::isfinite(vocabulary.scores[id])) bad("the score of token ", id, " is not a finite number");
        const auto type = static_cast<int>(vocabulary.types[id]);
        if (type < static_cast<int>(TokenType::normal) || type > static_cast<int>(TokenType::control)) {
            bad("token ", id, " has the type ", type, ", expected 1 (normal), 2 (unknown) or 3 (control)");
        }
    }
    const SpecialTokens & special = vocabulary.special;
    const std::pair<const char *, int32_t> ids[] = {
        {"<s>", special.bos}, {"<pad>", special.pad}, {"</s>", special.eos},   {"<unk>", special.unk},
        {"sep", special.sep}, {"cls", special.cls},   {"<mask>", special.mask}};
    for (const auto & [name, id] : ids) {
        if (id < 0 || static_cast<size_t>(id) >= n) {
            bad("special token ", name, " has the id ", id, ", expected 0 to ", n - 1);
        }
        if (vocabulary.types[static_cast<size_t>(id)] == TokenType::normal) {
            bad("special token ", name, " (id ", id, ") has the type of a normal one");
        }
    }
}

}  // namespace altclip

// XLM-RoBERTa's tokenizer: SentencePiece unigram, with the special tokens that are written in a text taken literally.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/normalizer.h"
#include "text/unigram.h"
#include "text/vocabulary.h"

namespace altclip {

struct Encoding {
    std::vector<int32_t> ids;
    std::vector<uint32_t> offsets;  // begin and end of each token in the text, in bytes, where asked for
};

/// Safe for any number of threads: nothing changes after construction.
class Tokenizer {
public:
    /// `source` names the vocabulary's file in messages. Throws model_format for a damaged character map or a token
    /// that is there twice.
    Tokenizer(Vocabulary vocabulary, const std::string & source);
    Tokenizer(const Tokenizer &) = delete;
    Tokenizer & operator=(const Tokenizer &) = delete;

    /// Ids of UTF-8 `text`, without <s> and </s> around them. Literal special tokens become their ids, <mask> with the
    /// white space before it; the parts between them are tokenised one by one. Offsets are those of the fast tokenizer:
    /// a token's leading space is left out. Throws invalid_argument for texts of more than 16 MiB.
    Encoding encode(std::string_view text, bool with_offsets) const;

    /// The same behind what `out` holds: a batch in one place. Offsets count from the beginning of `text`.
    void encode(std::string_view text, bool with_offsets, Encoding & out) const;

    /// As XLMRobertaTokenizer.decode without clean-up: spaces for U+2581, none in front. Throws invalid_argument for an
    /// id that is no token's.
    std::string decode(const std::vector<int32_t> & ids, bool skip_special_tokens) const;

    std::string_view token(int32_t id) const;    // throws invalid_argument as decode
    int32_t find(std::string_view token) const;  // -1 where there is none
    const Vocabulary & vocabulary() const { return vocabulary_; }
    size_t n_bytes() const;  // of memory, the vocabulary's strings not counted

private:
    struct Literal {
        size_t begin = 0;
        size_t end = 0;
        int32_t id = -1;  // none
    };
    Literal next_literal(std::string_view text, size_t from) const;
    void encode_part(std::string_view text, size_t begin, size_t end, bool with_offsets, Encoding & out) const;
    bool is_special(int32_t id) const;

    Vocabulary vocabulary_;
    Normalizer normalizer_;
    UnigramModel model_;
    std::array<int32_t, 5> literals_;
};

}  // namespace altclip

// The best cut of a normalised text into pieces under a unigram model.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/piece_trie.h"
#include "text/vocabulary.h"

namespace altclip {

struct Piece {
    int32_t id = 0;
    uint32_t begin = 0;  // bytes of the normalised text
    uint32_t end = 0;
};

class UnigramModel {
public:
    /// The vocabulary must outlive the model. Throws model_format, naming `source`, where a token is there twice or a
    /// stored trie is damaged.
    UnigramModel(const Vocabulary & vocabulary, const std::string & source);

    /// The ids SentencePiece's Model::EncodeOptimized gives (unigram_model.cc), ties included; then, as its
    /// PopulateSentencePieceText does, neighbouring unknown pieces made one. `text` has less than 2 GiB.
    std::vector<Piece> segment(std::string_view text) const;

    /// For Vocabulary::trie of the same tokens, scores and types.
    std::string stored_trie() const;

    const PieceTrie & trie() const { return trie_; }

private:
    const Vocabulary & vocabulary_;
    PieceTrie trie_;
    float unknown_score_ = 0.0f;
};

}  // namespace altclip

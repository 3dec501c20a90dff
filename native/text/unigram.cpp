#include "text/unigram.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "text/utf8.h"

namespace altclip {

namespace {

constexpr float unknown_penalty = 10.0f;

// of tokens that no text is cut into
constexpr float no_piece = -std::numeric_limits<float>::infinity();

std::vector<float> piece_scores(const Vocabulary & vocabulary) {
    std::vector<float> scores = vocabulary.scores;
    for (size_t id = 0; id < scores.size(); ++id) {
        if (vocabulary.types[id] != TokenType::normal) scores[id] = no_piece;
    }
    return scores;
}

float lowest_score(const Vocabulary & vocabulary) {
    float lowest = std::numeric_limits<float>::max();
    for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
        if (vocabulary.types[id] == TokenType::normal) lowest = std::min(lowest, vocabulary.scores[id]);
    }
    return lowest;
}

/// What a stored trie depends on, its layout included: a file of another version, or whose tokens were changed without
/// it, has another number.
uint64_t fingerprint(const Vocabulary & vocabulary) {
    constexpr uint64_t layout = 2;
    uint64_t hash = layout << 32 ^ vocabulary.tokens.size();
    const auto add = [&hash](const void * data, size_t n_bytes) {
        const auto * bytes = static_cast<const char *>(data);
        for (size_t at = 0; at < n_bytes; at += sizeof(uint64_t)) {
            uint64_t part = 0;
            std::memcpy(&part, bytes + at, std::min(sizeof(part), n_bytes - at));
            hash = (hash ^ part) * 0x9E3779B97F4A7C15;
            hash ^= hash >> 32;
        }
    };
    for (const std::string_view token : vocabulary.tokens) {
        hash += token.size();
        add(token.data(), token.size());
    }
    add(vocabulary.scores.data(), vocabulary.scores.size() * sizeof(float));
    add(vocabulary.types.data(), vocabulary.types.size());
    return hash;
}

PieceTrie piece_trie(const Vocabulary & vocabulary, const std::string & source) {
    const std::string_view stored = vocabulary.trie;
    const uint64_t number = stored.empty() ? 0 : fingerprint(vocabulary);
    if (stored.size() > sizeof(number) && std::memcmp(stored.data(), &number, sizeof(number)) == 0) {
        return PieceTrie::from_bytes(vocabulary.tokens, stored.substr(sizeof(number)), source);
    }
    return {vocabulary.tokens, piece_scores(vocabulary), source};
}

/// The last piece of the best path that ends at one byte. Eight bytes: a megabyte of text has a million of them.
class PathEnd {
public:
    void offer(int32_t id, float score, size_t length) {
        if (packed_ != 0 && !(score > score_)) return;
        packed_ = static_cast<uint32_t>(length) << id_bits | static_cast<uint32_t>(id);
        score_ = score;
    }
    float score() const { return score_; }  // of the whole path
    int32_t id() const { return static_cast<int32_t>(packed_ & ((1U << id_bits) - 1)); }
    size_t length() const { return packed_ >> id_bits; }  // bytes of the piece

private:
    static constexpr int id_bits = 20;
    static_assert(max_tokens <= size_t{1} << id_bits && max_token_bytes < size_t{1} << (32 - id_bits));

    uint32_t packed_ = 0;  // nothing ends here: a piece has bytes
    float score_ = 0.0f;
};

}  // namespace

UnigramModel::UnigramModel(const Vocabulary & vocabulary, const std::string & source)
    : vocabulary_(vocabulary),
      trie_(piece_trie(vocabulary, source)),
      unknown_score_(lowest_score(vocabulary) - unknown_penalty) {}

std::string UnigramModel::stored_trie() const {
    const uint64_t number = fingerprint(vocabulary_);
    return std::string(reinterpret_cast<const char *>(&number), sizeof(number)) + trie_.bytes();
}

std::vector<Piece> UnigramModel::segment(std::string_view text) const {
    const int32_t unk = vocabulary_.special.unk;
    std::vector<PathEnd> ends(text.size() + 1);
    for (size_t begin = 0; begin < text.size();) {
        const float before = ends[begin].score();
        const size_t length = std::min(utf8_length(text[begin]), text.size() - begin);
        bool has_character = false;
        trie_.for_each_prefix(text.substr(begin), [&](int32_t id, size_t n, float score) {
            if (score == no_piece) return;
            ends[begin + n].offer(id, score + before, n);
            has_character = has_character || n == length;
        });
        if (!has_character) {
            ends[begin + length].offer(unk, unknown_score_ + before, length);
        }
        begin += length;
    }

    std::vector<Piece> pieces;
    pieces.reserve(text.size() / 3);
    for (size_t end = text.size(); end > 0;) {
        const PathEnd & last = ends[end];
        const int32_t id = last.id();
        const size_t begin = end - last.length();
        if (id == unk && !pieces.empty() && pieces.back().id == unk) {
            pieces.back().begin = static_cast<uint32_t>(begin);
        } else {
            pieces.push_back({id, static_cast<uint32_t>(begin), static_cast<uint32_t>(end)});
        }
        end = begin;
    }
    std::reverse(pieces.begin(), pieces.end());
    return pieces;
}

}  // namespace altclip

// The vocabulary as a double array of bytes: a step of a walk is one read and one comparison.
//
// A child lies at its parent's base XOR the byte that leads to it and knows that byte. A branch that holds one token is
// cut off there: its node keeps the next bytes of the token. A walk misses the caches at nearly every node, so what a
// node's visitor needs lies in it, the score too. XLM-R's 250,002 tokens make about 390,000 nodes of 12 bytes.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/vocabulary_builder.h"

namespace altclip {

class PieceTrie {
public:
    /// Every token is UTF-8 without zero bytes, 1 to max_token_bytes long; there are max_tokens at most. `scores` has
    /// as many elements. The tokens must outlive the trie. Throws model_format, naming `source`, where two are the
    /// same.
    PieceTrie(const std::vector<std::string_view> & tokens, const std::vector<float> & scores,
              const std::string & source);

    /// As bytes() once gave them for the same tokens and scores. Whatever the bytes are, a walk stays inside the trie
    /// and the text and visits ids of tokens. Throws model_format, naming `source`, where they make no such trie.
    static PieceTrie from_bytes(const std::vector<std::string_view> & tokens, std::string_view bytes,
                                const std::string & source);
    /// The nodes, little endian.
    std::string bytes() const;

    /// Calls visit(id, bytes, score) for every token that UTF-8 `text` begins with, shortest first.
    template <typename Visit>
    void for_each_prefix(std::string_view text, Visit visit) const;

    /// -1 where there is none.
    int32_t find(std::string_view token) const;

    size_t n_bytes() const;

private:
    explicit PieceTrie(const std::vector<std::string_view> & tokens) : tokens_(tokens) {}

    static constexpr uint32_t no_token = (1 << 23) - 1;
    static_assert(max_tokens < no_token);
    static constexpr uint8_t no_byte = 0xFF;  // of places without a node: UTF-8 has no such byte
    static constexpr size_t n_tail = 4;
    static constexpr size_t n_block = 256;  // bases and their children lie in one block, so that none is out of range

    struct Node {
        union {
            uint32_t base;                  // with children
            std::array<char, n_tail> tail;  // without: what follows in the token, zeros behind its end
        };
        uint32_t packed = no_token << 9 | no_byte;  // 23 bits of id, 1 whether it has no children, 8 of the byte
        float score = 0.0f;                         // of that token

        Node() : base(0) {}
        /// Of the token that ends there or, without children, that goes on there.
        uint32_t id() const { return packed >> 9; }
        bool is_leaf() const { return (packed & 0x100) != 0; }
        uint8_t byte() const { return static_cast<uint8_t>(packed); }
        void set(uint32_t id, bool leaf) { packed = id << 9 | (leaf ? 0x100u : 0u) | byte(); }
        void set_byte(uint8_t byte) { packed = (packed & ~0xFFu) | byte; }
    };
    static_assert(sizeof(Node) == 12);

    /// Whether the rest of `text` goes on as a leaf's token does; `length` is at first how far they agreed, then the
    /// token's.
    bool matches_tail(const Node & node, std::string_view text, size_t & length) const;

    const std::vector<std::string_view> & tokens_;
    std::vector<Node> nodes_;  // the root first
};

template <typename Visit>
void PieceTrie::for_each_prefix(std::string_view text, Visit visit) const {
    // a stored trie may go in circles
    const size_t end = std::min(text.size(), max_token_bytes);
    const Node * nodes = nodes_.data();
    uint32_t base = nodes[0].base;
    for (size_t depth = 0; depth < end;) {
        const auto byte = static_cast<uint8_t>(text[depth]);
        const Node & node = nodes[base ^ byte];
        if (node.byte() != byte) return;
        ++depth;
        if (node.is_leaf()) {
            if (matches_tail(node, text, depth)) visit(static_cast<int32_t>(node.id()), depth, node.score);
            return;
        }
        if (node.id() != no_token) visit(static_cast<int32_t>(node.id()), depth, node.score);
        base = node.base;
    }
}

inline bool PieceTrie::matches_tail(const Node & node, std::string_view text, size_t & length) const {
    for (const char byte : node.tail) {
        if (byte == '\0') return true;
        if (length == text.size() || text[length] != byte) return false;
        ++length;
    }
    const std::string_view token = tokens_[node.id()];
    if (token.size() < length) return false;  // only in a trie that was not built from these tokens
    const std::string_view rest = token.substr(length);
    if (text.substr(length, rest.size()) != rest) return false;
    length += rest.size();
    return true;
}

}  // namespace altclip

// A byte trie over the vocabulary that is built in milliseconds and walked without allocation.
//
// Nodes lie breadth first, children side by side and in order. A branch that holds one token is cut off there: its node
// keeps the next bytes of the token. A walk misses the caches at nearly every node, so what a node's visitor needs lies
// in it, the score too. XLM-R's 250,002 tokens make about 390,000 nodes of 13 bytes.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace altclip {

class PieceTrie {
public:
    /// Every token is UTF-8 without zero bytes, longer than 0 bytes; there are fewer than 2^24. `scores` has as many
    /// elements. The tokens must outlive the trie. Throws model_format, naming `source`, where two are the same.
    PieceTrie(const std::vector<std::string_view> & tokens, const std::vector<float> & scores,
              const std::string & source);

    /// As bytes() once gave them for the same tokens and scores. Whatever the bytes are, a walk stays inside the trie
    /// and the text and visits ids of tokens. Throws model_format, naming `source`, where they make no such trie.
    static PieceTrie from_bytes(const std::vector<std::string_view> & tokens, std::string_view bytes,
                                const std::string & source);
    /// Nodes and labels, little endian.
    std::string bytes() const;

    /// Calls visit(id, bytes, score) for every token that `text` begins with, shortest first.
    template <typename Visit>
    void for_each_prefix(std::string_view text, Visit visit) const;

    /// -1 where there is none.
    int32_t find(std::string_view token) const;

    size_t n_bytes() const;

private:
    explicit PieceTrie(const std::vector<std::string_view> & tokens) : tokens_(tokens) {}

    static constexpr uint32_t none = 0;  // no child is node 0
    static constexpr uint32_t no_token = (1 << 24) - 1;
    static constexpr size_t n_tail = 4;

    struct Node {
        union {
            uint32_t first_child;           // with children
            std::array<char, n_tail> tail;  // without: what follows in the token, zeros behind its end
        };
        uint32_t id_and_children;  // 24 bits, then 8: bytes of UTF-8 take fewer than 256 values
        float score;               // of that token

        /// Of the token that ends there or, without children, that goes on there.
        uint32_t id() const { return id_and_children & no_token; }
        uint32_t n_children() const { return id_and_children >> 24; }
    };
    static_assert(sizeof(Node) == 12);

    void find_roots();

    uint32_t child(const Node & node, char byte) const;
    /// Whether the rest of `text` goes on as a childless node's token does; `length` is at first how far they agreed,
    /// then the token's.
    bool matches_tail(const Node & node, std::string_view text, size_t & length) const;

    const std::vector<std::string_view> & tokens_;
    std::vector<Node> nodes_;
    static constexpr size_t n_behind = 8;  // labels that child() may read behind the last node's
    std::vector<uint8_t> labels_;          // by node: the byte that leads to it
    std::array<uint32_t, 256> roots_{};    // children of the root by byte
};

template <typename Visit>
void PieceTrie::for_each_prefix(std::string_view text, Visit visit) const {
    if (text.empty()) return;
    uint32_t index = roots_[static_cast<uint8_t>(text[0])];
    for (size_t depth = 1; index != none; ++depth) {
        const Node & node = nodes_[index];
        if (node.n_children() == 0) {
            if (matches_tail(node, text, depth)) visit(static_cast<int32_t>(node.id()), depth, node.score);
            return;
        }
        if (node.id() != no_token) visit(static_cast<int32_t>(node.id()), depth, node.score);
        if (depth == text.size()) return;
        index = child(node, text[depth]);
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

inline uint32_t PieceTrie::child(const Node & node, char byte) const {
    const uint8_t * labels = labels_.data() + node.first_child;
    if (node.n_children() > 8) {
        const auto label = static_cast<uint8_t>(byte);
        if (label < labels[0]) return none;
        // trailing bytes of a script lie close: its place if none were missing, then back over those that are
        uint32_t at = std::min<uint32_t>(label - labels[0], node.n_children() - 1);
        while (labels[at] > label) --at;
        return labels[at] == label ? node.first_child + at : none;
    }
    // eight labels at once, without a branch that depends on them: equal ones become zero bytes, of which the first is
    // counted out (Hacker's Delight, 6-1)
    constexpr uint64_t ones = 0x0101010101010101;
    uint64_t eight = 0;
    for (uint32_t i = 0; i < 8; ++i) eight |= uint64_t{labels[i]} << (8 * i);
    const uint64_t different = eight ^ ones * static_cast<uint8_t>(byte);
    const uint64_t zeros = (different - ones) & ~different & ones << 7;
    const uint64_t first_and_below = ((zeros & (~zeros + 1)) - 1) & ones;
    const auto index = static_cast<uint32_t>((first_and_below * ones) >> 56) - 1;
    return zeros != 0 && index < node.n_children() ? node.first_child + index : none;
}

}  // namespace altclip

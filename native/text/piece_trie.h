// A byte trie over the vocabulary that is built in milliseconds and walked without allocation.
//
// Nodes lie breadth first, children side by side and in order, so a node is its first child and its label; a branch
// that holds one token is cut off there and compared with the token itself. XLM-R's 250,002 tokens make about 390,000
// nodes of 9 bytes.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace altclip {

class PieceTrie {
public:
    /// Every token is longer than 0 bytes. The tokens must outlive the trie. Throws model_format, naming `source`,
    /// where two are the same.
    PieceTrie(const std::vector<std::string_view> & tokens, const std::string & source);

    /// Calls visit(id, bytes) for every token that `text` begins with, shortest first.
    template <typename Visit>
    void for_each_prefix(std::string_view text, Visit visit) const;

    /// -1 where there is none.
    int32_t find(std::string_view token) const;

    size_t n_bytes() const;

private:
    static constexpr uint32_t none = 0;  // no child is node 0

    uint32_t child(uint32_t node, char byte) const;

    const std::vector<std::string_view> & tokens_;
    std::vector<uint32_t>
        first_child_;              // by node, and one past the last: the children of n end where those of n + 1 begin
    std::vector<uint8_t> labels_;  // by node: the byte that leads to it
    std::vector<int32_t> ids_;     // by node: the token that ends there or, without children, that goes on there
    std::array<uint32_t, 256> roots_{};  // children of the root by byte
};

template <typename Visit>
void PieceTrie::for_each_prefix(std::string_view text, Visit visit) const {
    if (text.empty()) return;
    uint32_t node = roots_[static_cast<uint8_t>(text[0])];
    for (size_t depth = 1; node != none; ++depth) {
        const int32_t id = ids_[node];
        if (first_child_[node] == first_child_[node + 1]) {
            const std::string_view token = tokens_[static_cast<size_t>(id)];
            if (text.substr(depth, token.size() - depth) == token.substr(depth)) visit(id, token.size());
            return;
        }
        if (id >= 0) visit(id, depth);
        if (depth == text.size()) return;
        node = child(node, text[depth]);
    }
}

inline uint32_t PieceTrie::child(uint32_t node, char byte) const {
    const auto label = static_cast<uint8_t>(byte);
    uint32_t first = first_child_[node];
    uint32_t last = first_child_[node + 1];
    while (last - first > 8) {
        const uint32_t middle = first + (last - first) / 2;
        if (labels_[middle] <= label) {
            first = middle;
        } else {
            last = middle;
        }
    }
    for (; first < last; ++first) {
        if (labels_[first] == label) return first;
    }
    return none;
}

}  // namespace altclip

// Tokens in the order of their bytes, sorted in milliseconds: what a trie is built from.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace altclip {

class SortedTokens {
public:
    /// The tokens, free of zero bytes, must outlive the object.
    explicit SortedTokens(const std::vector<std::string_view> & tokens);

    uint32_t id(size_t i) const { return keys_[i].id; }
    uint32_t size(size_t i) const { return keys_[i].size; }
    std::string_view token(size_t i) const { return tokens_[keys_[i].id]; }
    /// Byte `at` of token `i`.
    uint8_t byte(size_t i, size_t at) const {
        const size_t behind = at - skip(i);  // wraps around inside the space
        const Key & key = keys_[i];
        if (behind >= 16) return static_cast<uint8_t>(token(i)[at]);
        return static_cast<uint8_t>((behind < 8 ? key.head : key.middle) >> (56 - 8 * (behind % 8)));
    }
    /// Bytes that token `i` has in common with the one behind it.
    uint32_t shared(size_t i) const { return shared_[i]; }

private:
    // The strings lie all over memory. Sixteen bytes of each, behind the space that most begin with, answer nearly
    // every question from one place.
    struct Key {
        uint64_t head;  // the first byte highest, zeros behind the end
        uint64_t middle;
        uint32_t id;
        uint32_t size;
    };

    Key make_key(size_t id, size_t n_skipped) const;
    void sort(std::vector<Key> & keys) const;
    uint32_t common_bytes(size_t i) const;
    size_t skip(size_t i) const;

    const std::vector<std::string_view> & tokens_;
    std::vector<Key> keys_;
    std::vector<uint32_t> shared_;
    size_t first_spaced_ = 0;  // [first_spaced_, end_spaced_) begin with the space
    size_t end_spaced_ = 0;
};

}  // namespace altclip

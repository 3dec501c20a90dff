#include "text/sorted_tokens.h"

#include <algorithm>
#include <array>

#include "text/utf8.h"

namespace altclip {

SortedTokens::SortedTokens(const std::vector<std::string_view> & tokens) : tokens_(tokens) {
    std::vector<Key> spaced;
    spaced.reserve(tokens.size());
    keys_.reserve(tokens.size());
    for (size_t id = 0; id < tokens.size(); ++id) {
        if (tokens[id].substr(0, space_symbol.size()) == space_symbol) {
            spaced.push_back(make_key(id, space_symbol.size()));
        } else {
            keys_.push_back(make_key(id, 0));
        }
    }
    sort(keys_);
    sort(spaced);
    const auto middle = std::partition_point(keys_.begin(), keys_.end(),
                                             [&tokens](const Key & key) { return tokens[key.id] < space_symbol; });
    first_spaced_ = static_cast<size_t>(middle - keys_.begin());
    end_spaced_ = first_spaced_ + spaced.size();
    keys_.insert(middle, spaced.begin(), spaced.end());
    shared_.reserve(keys_.size());
    for (size_t i = 0; i + 1 < keys_.size(); ++i) shared_.push_back(common_bytes(i));
}

SortedTokens::Key SortedTokens::make_key(size_t id, size_t n_skipped) const {
    const std::string_view token = tokens_[id];
    const auto eight_bytes = [token](size_t from) {
        const size_t n = token.size() > from ? std::min<size_t>(token.size() - from, 8) : 0;
        uint64_t value = 0;
        for (size_t i = from; i < from + n; ++i) value = value << 8 | static_cast<uint8_t>(token[i]);
        return n == 0 ? 0 : value << (64 - 8 * n);
    };
    return {eight_bytes(n_skipped), eight_bytes(n_skipped + 8), static_cast<uint32_t>(id),
            static_cast<uint32_t>(token.size())};
}

/// Leading bytes in which two eight-byte numbers, not equal, agree.
static uint32_t equal_bytes(uint64_t a, uint64_t b) {
    uint32_t n = 0;
    for (uint64_t different = a ^ b; (different >> 56) == 0; different <<= 8) ++n;
    return n;
}

void SortedTokens::sort(std::vector<Key> & keys) const {
    // by the heads, byte for byte from the last one (half the time of comparing), then by the rest where heads are
    // equal
    std::array<std::array<uint32_t, 256>, 8> places{};
    for (const Key & key : keys) {
        for (size_t i = 0; i < 8; ++i) ++places[i][key.head >> (8 * i) & 0xFF];
    }
    std::vector<Key> moved(keys.size());
    for (size_t i = 0; i < 8; ++i) {
        uint32_t next = 0;
        for (uint32_t & place : places[i]) {
            const uint32_t count = place;
            place = next;
            next += count;
        }
        for (const Key & key : keys) moved[places[i][key.head >> (8 * i) & 0xFF]++] = key;
        keys.swap(moved);
    }
    for (auto first = keys.begin(); first != keys.end();) {
        const auto last = std::find_if(first, keys.end(), [first](const Key & key) { return key.head != first->head; });
        if (last - first > 1) {
            std::sort(first, last, [this](const Key & a, const Key & b) {
                return a.middle != b.middle ? a.middle < b.middle : tokens_[a.id] < tokens_[b.id];
            });
        }
        first = last;
    }
}

size_t SortedTokens::skip(size_t i) const {
    return i >= first_spaced_ && i < end_spaced_ ? space_symbol.size() : 0;
}

uint32_t SortedTokens::common_bytes(size_t i) const {
    const Key & key = keys_[i];
    const Key & next = keys_[i + 1];
    if (skip(i) == skip(i + 1)) {
        const auto skipped = static_cast<uint32_t>(skip(i));
        if (key.head != next.head) return skipped + equal_bytes(key.head, next.head);
        if (key.middle != next.middle) return skipped + 8 + equal_bytes(key.middle, next.middle);
    }
    const std::string_view a = token(i);
    const std::string_view b = token(i + 1);
    uint32_t n = 0;
    while (n < a.size() && n < b.size() && a[n] == b[n]) ++n;
    return n;
}

}  // namespace altclip

#include "text/piece_trie.h"

#include "error.h"
#include "text/sorted_tokens.h"

namespace altclip {

PieceTrie::PieceTrie(const std::vector<std::string_view> & tokens, const std::string & source) : tokens_(tokens) {
    const SortedTokens sorted(tokens);
    struct Range {  // of sorted tokens: those below one node
        uint32_t first;
        uint32_t last;
    };
    std::vector<Range> level = {{0, static_cast<uint32_t>(tokens.size())}};
    std::vector<Range> next;
    first_child_.reserve(2 * tokens.size());
    labels_.reserve(2 * tokens.size());
    ids_.reserve(2 * tokens.size());
    labels_.push_back(0);
    for (size_t depth = 0; !level.empty(); ++depth, level.swap(next)) {
        next.clear();
        for (auto [first, last] : level) {
            first_child_.push_back(static_cast<uint32_t>(labels_.size()));
            ids_.push_back(-1);
            const bool alone = last - first == 1 && depth > 0;
            if (first < last && (alone || sorted.size(first) == depth)) {
                ids_.back() = static_cast<int32_t>(sorted.id(first++));
            }
            while (first < last) {
                if (sorted.size(first) == depth) {
                    fail(ErrorCode::model_format, source, ": token '", sorted.token(first), "' is there twice, as ",
                         ids_.back(), " and ", sorted.id(first));
                }
                uint32_t end = first + 1;
                while (end < last && sorted.shared(end - 1) > depth) ++end;
                labels_.push_back(sorted.byte(first, depth));
                next.push_back({first, end});
                first = end;
            }
        }
    }
    first_child_.push_back(static_cast<uint32_t>(labels_.size()));
    for (uint32_t node = first_child_[0]; node < first_child_[1]; ++node) roots_[labels_[node]] = node;
    first_child_.shrink_to_fit();
    labels_.shrink_to_fit();
    ids_.shrink_to_fit();
}

int32_t PieceTrie::find(std::string_view token) const {
    int32_t found = -1;
    for_each_prefix(token, [&](int32_t id, size_t length) {
        if (length == token.size()) found = id;
    });
    return found;
}

size_t PieceTrie::n_bytes() const {
    return sizeof(*this) + labels_.size() * (sizeof(uint32_t) + sizeof(uint8_t) + sizeof(int32_t));
}

}  // namespace altclip

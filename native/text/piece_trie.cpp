#include "text/piece_trie.h"

#include "error.h"
#include "text/sorted_tokens.h"

namespace altclip {

PieceTrie::PieceTrie(const std::vector<std::string_view> & tokens, const std::vector<float> & scores,
                     const std::string & source)
    : tokens_(tokens) {
    const SortedTokens sorted(tokens);
    struct Range {  // of sorted tokens: those below one node
        uint32_t first;
        uint32_t last;
    };
    std::vector<Range> level = {{0, static_cast<uint32_t>(tokens.size())}};
    std::vector<Range> next;
    nodes_.reserve(2 * tokens.size());
    labels_.reserve(2 * tokens.size());
    labels_.push_back(0);
    for (size_t depth = 0; !level.empty(); ++depth, level.swap(next)) {
        next.clear();
        for (auto [first, last] : level) {
            const auto first_child = static_cast<uint32_t>(labels_.size());
            Node & node = nodes_.emplace_back();
            node.id = no_token;
            const bool alone = last - first == 1 && depth > 0;
            if (first < last && (alone || sorted.size(first) == depth)) {
                node.id = sorted.id(first);
                const size_t n_left = sorted.size(first) - depth;
                for (size_t i = 0; i < n_tail; ++i) {
                    node.tail[i] = i < n_left ? static_cast<char>(sorted.byte(first, depth + i)) : '\0';
                }
                ++first;
            }
            if (first == last) continue;
            while (first < last) {
                if (sorted.size(first) == depth) {
                    fail(ErrorCode::model_format, source, ": token '", sorted.token(first), "' is there twice, as ",
                         uint32_t{node.id}, " and ", sorted.id(first));
                }
                uint32_t end = first + 1;
                while (end < last && sorted.shared(end - 1) > depth) ++end;
                labels_.push_back(sorted.byte(first, depth));
                next.push_back({first, end});
                first = end;
            }
            node.first_child = first_child;
            node.n_children = static_cast<uint32_t>(labels_.size()) - first_child;
        }
    }
    // in a loop of its own, where reads from all over the scores do not wait for each other
    for (Node & node : nodes_) node.score = scores[node.id < scores.size() ? node.id : 0];
    const Node & root = nodes_[0];
    for (uint32_t i = 0; i < root.n_children; ++i) roots_[labels_[root.first_child + i]] = root.first_child + i;
    labels_.resize(labels_.size() + 8);
}

int32_t PieceTrie::find(std::string_view token) const {
    int32_t found = -1;
    for_each_prefix(token, [&](int32_t id, size_t length, float) {
        if (length == token.size()) found = id;
    });
    return found;
}

size_t PieceTrie::n_bytes() const {
    return sizeof(*this) + nodes_.size() * sizeof(Node) + labels_.size();
}

}  // namespace altclip

#include "text/piece_trie.h"

#include "error.h"
#include "text/sorted_tokens.h"
#include "text/vocabulary_builder.h"

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
            uint32_t id = no_token;
            const bool alone = last - first == 1 && depth > 0;
            if (first < last && (alone || sorted.size(first) == depth)) {
                id = sorted.id(first);
                const size_t n_left = sorted.size(first) - depth;
                for (size_t i = 0; i < n_tail; ++i) {
                    node.tail[i] = i < n_left ? static_cast<char>(sorted.byte(first, depth + i)) : '\0';
                }
                ++first;
            }
            node.id_and_children = id;
            if (first == last) continue;
            while (first < last) {
                if (sorted.size(first) == depth) {
                    fail(ErrorCode::model_format, source, ": token '", sorted.token(first), "' is there twice, as ", id,
                         " and ", sorted.id(first));
                }
                uint32_t end = first + 1;
                while (end < last && sorted.shared(end - 1) > depth) ++end;
                labels_.push_back(sorted.byte(first, depth));
                next.push_back({first, end});
                first = end;
            }
            node.first_child = first_child;
            node.id_and_children |= static_cast<uint32_t>(labels_.size() - first_child) << 24;
        }
    }
    // in a loop of its own, where reads from all over the scores do not wait for each other
    for (Node & node : nodes_) node.score = scores[node.id() < scores.size() ? node.id() : 0];
    labels_.resize(labels_.size() + n_behind);
    find_roots();
}

PieceTrie PieceTrie::from_bytes(const std::vector<std::string_view> & tokens, std::string_view bytes,
                                const std::string & source) {
    const auto bad = [&source](const auto &... what) {
        fail(ErrorCode::model_format, source, ": the stored trie of tokens ", what...);
    };
    const size_t n = bytes.size() < n_behind ? 0 : (bytes.size() - n_behind) / (sizeof(Node) + 1);
    if (n == 0 || bytes.size() != n * (sizeof(Node) + 1) + n_behind) bad("has ", bytes.size(), " bytes");
    PieceTrie trie(tokens);
    trie.nodes_.resize(n);
    std::memcpy(trie.nodes_.data(), bytes.data(), n * sizeof(Node));
    const auto * labels = reinterpret_cast<const uint8_t *>(bytes.data() + n * sizeof(Node));
    trie.labels_.assign(labels, labels + n + n_behind);
    size_t next = 1;  // children of all nodes lie one behind the other
    size_t depth = 0;
    for (size_t i = 0, end_of_level = 1; i < n; ++i) {
        if (i == end_of_level) {
            end_of_level = next;
            if (++depth > max_token_bytes) bad("is deeper than ", max_token_bytes, " bytes");
        }
        const Node & node = trie.nodes_[i];
        const size_t n_children = node.n_children();
        const bool has_token = node.id() < tokens.size();
        if (!has_token && (node.id() != no_token || n_children == 0)) bad("has the id ", node.id(), " at node ", i);
        if (n_children == 0) continue;
        if (node.first_child != next || n_children > n - next) bad("has children out of place at node ", i);
        next += n_children;
    }
    if (next != n) bad("has ", n, " nodes, of which ", next, " are anybody's children");
    trie.find_roots();
    return trie;
}

std::string PieceTrie::bytes() const {
    std::string bytes(nodes_.size() * sizeof(Node) + labels_.size(), '\0');
    std::memcpy(bytes.data(), nodes_.data(), nodes_.size() * sizeof(Node));
    std::memcpy(bytes.data() + nodes_.size() * sizeof(Node), labels_.data(), labels_.size());
    return bytes;
}

void PieceTrie::find_roots() {
    const Node & root = nodes_[0];
    for (uint32_t i = 0; i < root.n_children(); ++i) roots_[labels_[root.first_child + i]] = root.first_child + i;
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

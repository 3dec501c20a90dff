#include "text/piece_trie.h"

#include <cstring>

#include "error.h"
#include "text/free_places.h"
#include "text/sorted_tokens.h"

namespace altclip {

PieceTrie::PieceTrie(const std::vector<std::string_view> & tokens, const std::vector<float> & scores,
                     const std::string & source)
    : tokens_(tokens) {
    const SortedTokens sorted(tokens);
    struct Range {  // of sorted tokens: those below one node
        uint32_t first;
        uint32_t last;
        uint32_t node;
    };
    FreePlaces places;
    const uint8_t root = 0;
    places.take(&root, 1);  // the array's first: an empty block has room for all
    nodes_.reserve(2 * tokens.size());
    nodes_.resize(n_block);
    std::vector<Range> level = {{0, static_cast<uint32_t>(tokens.size()), 0}};
    std::vector<Range> next;
    std::vector<uint8_t> bytes;
    for (size_t depth = 0; !level.empty(); ++depth, level.swap(next)) {
        next.clear();
        for (auto [first, last, index] : level) {
            uint32_t id = no_token;
            const bool alone = last - first == 1 && depth > 0;
            if (first < last && (alone || sorted.size(first) == depth)) id = sorted.id(first);
            nodes_[index].set(id, alone);
            if (alone) {
                const size_t n_left = sorted.size(first) - depth;
                for (size_t i = 0; i < n_tail; ++i) {
                    nodes_[index].tail[i] = i < n_left ? static_cast<char>(sorted.byte(first, depth + i)) : '\0';
                }
                continue;
            }
            if (id != no_token) ++first;
            bytes.clear();
            while (first < last) {
                if (sorted.size(first) == depth) {
                    fail(ErrorCode::model_format, source, ": token '", sorted.token(first), "' is there twice, as ", id,
                         " and ", sorted.id(first));
                }
                uint32_t end = first + 1;
                while (end < last && sorted.shared(end - 1) > depth) ++end;
                bytes.push_back(sorted.byte(first, depth));
                next.push_back({first, end, 0});
                first = end;
            }
            if (bytes.empty()) continue;
            const uint32_t base = places.take(bytes.data(), bytes.size());
            nodes_.resize(places.size());
            nodes_[index].base = base;
            for (size_t i = 0; i < bytes.size(); ++i) {
                nodes_[base ^ bytes[i]].set_byte(bytes[i]);
                next[next.size() - bytes.size() + i].node = base ^ bytes[i];
            }
        }
    }
    // in a loop of its own, where reads from all over the scores do not wait for each other
    for (Node & node : nodes_) node.score = scores[node.id() < scores.size() ? node.id() : 0];
}

PieceTrie PieceTrie::from_bytes(const std::vector<std::string_view> & tokens, std::string_view bytes,
                                const std::string & source) {
    const auto bad = [&source](const auto &... what) {
        fail(ErrorCode::model_format, source, ": the stored trie of tokens ", what...);
    };
    const size_t n = bytes.size() / sizeof(Node);
    if (n == 0 || bytes.size() % (n_block * sizeof(Node)) != 0) bad("has ", bytes.size(), " bytes");
    PieceTrie trie(tokens);
    trie.nodes_.resize(n);
    std::memcpy(static_cast<void *>(trie.nodes_.data()), bytes.data(), bytes.size());
    for (size_t i = 0; i < n; ++i) {
        const Node & node = trie.nodes_[i];
        const bool has_token = node.id() < tokens.size();
        if (!has_token && (node.id() != no_token || node.is_leaf())) bad("has the id ", node.id(), " at node ", i);
        if (!node.is_leaf() && node.base >= n) bad("has children out of place at node ", i);
    }
    if (trie.nodes_[0].is_leaf()) bad("has no root");
    return trie;
}

std::string PieceTrie::bytes() const {
    std::string bytes(nodes_.size() * sizeof(Node), '\0');
    std::memcpy(bytes.data(), nodes_.data(), bytes.size());
    return bytes;
}

int32_t PieceTrie::find(std::string_view token) const {
    int32_t found = -1;
    for_each_prefix(token, [&](int32_t id, size_t length, float) {
        if (length == token.size()) found = id;
    });
    return found;
}

size_t PieceTrie::n_bytes() const {
    return sizeof(*this) + nodes_.size() * sizeof(Node);
}

}  // namespace altclip

// How sequences lie in a batch's token matrix [n_embd, n_rows]: one after another, unpadded, equal shapes together.
#pragma once

#include <cstdint>
#include <vector>

namespace altclip {

/// `n_seq` sequences of one shape, one after another from row `first` on. A sequence has `n_query` rows, the first
/// `n_key` of which can be attended to; a row beyond them is a masked token whose own output is still wanted.
struct SequenceGroup {
    int64_t n_seq = 0;
    int64_t n_query = 0;
    int64_t n_key = 0;
    int64_t first = 0;
    bool uniform = false;  // every key masked: each weighs the same, as in transformers' eager attention
};

struct Layout {
    std::vector<SequenceGroup> groups;
    std::vector<int32_t> pooled_rows;  // row of token 0, by sequence
    int64_t n_rows = 0;

    int64_t n_seq() const { return static_cast<int64_t>(pooled_rows.size()); }
};

/// Which tensors leave a tower; what is not wanted is not computed where that saves work.
struct Wanted {
    bool last_hidden_state = false;
    bool pooler_output = false;
    bool features = false;  // the pooled output in the shared embedding space
    bool hidden_states = false;
    bool attentions = false;

    /// Only token 0 of each sequence leaves the tower: the last block need not compute the others.
    bool pooled_only() const { return !last_hidden_state && !hidden_states && !attentions; }
    bool operator==(const Wanted & o) const {
        return last_hidden_state == o.last_hidden_state && pooler_output == o.pooler_output && features == o.features &&
               hidden_states == o.hidden_states && attentions == o.attentions;
    }
};

}  // namespace altclip

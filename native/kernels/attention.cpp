#include "kernels/attention.h"

#include <algorithm>

namespace altclip {

namespace {

constexpr int64_t query_block = 48;  // queries whose scores are held at once: whole token tiles
static_assert(query_block % max_token_tile == 0, "whole tiles");

int64_t padded(int64_t n) {
    return (n + output_tile - 1) / output_tile * output_tile;
}

/// Tiles of weights, each `next` words behind the one before; their rows are ld words apart.
struct Tiles {
    const float * data;
    int64_t ld;
    int64_t next;
};

/// What products take: numbers.
struct Floats {
    const KernelTable & kernels;

    static int64_t n_words(int64_t n) { return n; }

    void pack(const float * x, int64_t ld, int64_t n_rows, int64_t n_in, float * out) const {
        kernels.pack_f32(x, ld, n_rows, n_in, out);
    }
    void pack_key_tile(const float * k, int64_t ld, int64_t n, int64_t n_in, float * out) const {
        kernels.tile_of_rows(k, ld, n, n_in, out);
    }
    /// Values [n_key][n] where they lie, if those are whole tiles.
    Tiles values(const float * v, int64_t ld, int64_t n_key, int64_t n, float * memory) const {
        const int64_t ld_out = padded(n);
        if (ld_out == n) return {v, ld, output_tile};
        for (int64_t i = 0; i < n_key; ++i) {
            std::copy_n(v + i * ld, n, memory + i * ld_out);
            std::fill(memory + i * ld_out + n, memory + (i + 1) * ld_out, 0.0f);
        }
        return {memory, ld_out, output_tile};
    }
    void product(int64_t n_rows, int64_t n_tiles, int64_t n_in, const float * a, const Tiles & b, float * c,
                 int64_t ldc) const {
        const Ahead nothing{reinterpret_cast<const std::byte *>(b.data), 0, 0};  // what comes next is in the cache
        kernels.product_f32(n_rows, n_tiles, n_in, a, b.data, b.ld, b.next, c, ldc, false, nullptr, nothing);
    }
};

/// Pairs of numbers as bf16, a word each.
struct Pairs {
    const KernelTable & kernels;

    static int64_t n_words(int64_t n) { return (n + 1) / 2; }

    void pack(const float * x, int64_t ld, int64_t n_rows, int64_t n_in, float * out) const {
        kernels.pack_bf16(x, ld, n_rows, n_in, reinterpret_cast<int32_t *>(out));
    }
    void pack_key_tile(const float * k, int64_t ld, int64_t n, int64_t n_in, float * out) const {
        kernels.tile_of_rows_bf16(k, ld, n, n_in, reinterpret_cast<int16_t *>(out));
    }
    Tiles values(const float * v, int64_t ld, int64_t n_key, int64_t n, float * memory) const {
        const int64_t next = n_words(n_key) * output_tile;
        for (int64_t c = 0; c < n; c += output_tile) {
            kernels.tile_of_columns_bf16(v + c, ld, std::min(output_tile, n - c), n_key,
                                         reinterpret_cast<int16_t *>(memory + c / output_tile * next));
        }
        return {memory, output_tile, next};
    }
    void product(int64_t n_rows, int64_t n_tiles, int64_t n_in, const float * a, const Tiles & b, float * c,
                 int64_t ldc) const {
        const Ahead nothing{reinterpret_cast<const std::byte *>(b.data), 0, 0};
        kernels.product_bf16(n_rows, n_tiles, n_words(n_in), reinterpret_cast<const int32_t *>(a),
                             reinterpret_cast<const int16_t *>(b.data), 2 * b.next, c, ldc, false, nullptr, nothing);
    }
};

/// A thread's scratch, cut up for one head; what products take is as long as numbers or half of that.
struct Scratch {
    float * keys;     // [n_key / 16][n_embd_head][16]: transposed, the last tile padded with zeros
    float * values;   // [n_key padded][n_embd_head padded]
    float * queries;  // [query_block / token_tile][n_embd_head][token_tile]
    float * scores;   // [query_block][n_key padded]
    float * weights;  // [n_key][token_tile]: a tile's rows of probabilities, packed
    float * result;   // [token_tile][n_embd_head padded]

    Scratch(float * memory, int64_t n_key, int64_t n_embd_head) {
        const auto take = [&memory](int64_t n) {
            float * at = memory;
            memory += padded(n);
            return at;
        };
        keys = take(padded(n_key) * n_embd_head);
        values = take(padded(n_key) * padded(n_embd_head));
        queries = take(query_block * n_embd_head);
        scores = take(query_block * padded(n_key));
        weights = take(padded(n_key) * max_token_tile);
        result = take(max_token_tile * padded(n_embd_head));
    }
    static int64_t size(int64_t n_key, int64_t n_embd_head) {
        const int64_t keys = padded(padded(n_key) * n_embd_head), values = padded(padded(n_key) * padded(n_embd_head));
        const int64_t queries = padded(query_block * n_embd_head), scores = padded(query_block * padded(n_key));
        return keys + values + queries + scores + padded(padded(n_key) * max_token_tile) +
               padded(max_token_tile * padded(n_embd_head));
    }
};

/// One head of one sequence; the pointers stand at the head's columns of the sequence's first row.
template <typename Numbers>
void attend(const Numbers & numbers, const AttentionSpan & span, int64_t n_embd_head, const AttentionRows & at,
            float * memory) {
    const Scratch s(memory, span.n_key, n_embd_head);
    const KernelTable & kernels = numbers.kernels;
    const int64_t token_tile = kernels.token_tile, step = kernels.output_tiles * output_tile;
    const int64_t n_key_padded = padded(span.n_key), n_values = padded(n_embd_head);
    const int64_t n_words = Numbers::n_words(n_embd_head);  // of a query or a key
    for (int64_t key = 0; key < span.n_key; key += output_tile) {
        numbers.pack_key_tile(at.k + key * at.ld_k, at.ld_k, std::min(output_tile, span.n_key - key), n_embd_head,
                              s.keys + key * n_words);
    }
    const Tiles values = numbers.values(at.v, at.ld_v, span.n_key, n_embd_head, s.values);
    for (int64_t first = 0; first < span.n_query; first += query_block) {
        const int64_t n_block = std::min(query_block, span.n_query - first);
        for (int64_t i = 0; i < n_block; i += token_tile) {
            numbers.pack(at.q + (first + i) * at.ld_q, at.ld_q, std::min(token_tile, n_block - i), n_embd_head,
                         s.queries + i * n_words);
        }
        for (int64_t key = 0; key < n_key_padded; key += step) {
            const int64_t n_tiles = std::min(step, n_key_padded - key) / output_tile;
            const Tiles keys{s.keys + key * n_words, output_tile, n_words * output_tile};
            for (int64_t i = 0; i < n_block; i += token_tile) {
                numbers.product(std::min(token_tile, n_block - i), n_tiles, n_embd_head, s.queries + i * n_words, keys,
                                s.scores + i * n_key_padded + key, n_key_padded);
            }
        }
        for (int64_t i = 0; i < n_block; i += token_tile) {
            const int64_t n = std::min(token_tile, n_block - i);
            float inverse[max_token_tile];
            for (int64_t r = 0; r < n; ++r)
                inverse[r] = 1.0f / kernels.softmax(s.scores + (i + r) * n_key_padded, span.n_key, span.scale);
            numbers.pack(s.scores + i * n_key_padded, n_key_padded, n, span.n_key, s.weights);
            for (int64_t c = 0; c < n_values; c += step) {
                const Tiles columns{values.data + c / output_tile * values.next, values.ld, values.next};
                numbers.product(n, std::min(step, n_values - c) / output_tile, span.n_key, s.weights, columns,
                                s.result + c, n_values);
            }
            for (int64_t r = 0; r < n; ++r) {
                float * y = at.y + (first + i + r) * at.ld_y;
                for (int64_t c = 0; c < n_embd_head; ++c) y[c] = s.result[r * n_values + c] * inverse[r];
            }
        }
    }
}

}  // namespace

int64_t attention_scratch_size(const std::vector<AttentionSpan> & spans, int64_t n_embd_head) {
    int64_t n = 0;
    for (const AttentionSpan & span : spans) n = std::max(n, Scratch::size(span.n_key, n_embd_head));
    return n;
}

void run_attention(AttentionTask & task, const AttentionRows & rows, float * scratch) {
    int64_t first_job = 0;
    auto span = task.spans.begin();
    for (int64_t job = task.next++; span != task.spans.end();) {
        if (job - first_job >= span->n_seq * task.n_head) {
            first_job += span->n_seq * task.n_head;
            ++span;
            continue;
        }
        const int64_t seq = (job - first_job) / task.n_head,
                      column = (job - first_job) % task.n_head * task.n_embd_head;
        const int64_t query = span->first_query + seq * span->n_query, key = span->first_key + seq * span->key_stride;
        AttentionRows at = rows;
        at.q += query * rows.ld_q + column;
        at.k += key * rows.ld_k + column;
        at.v += key * rows.ld_v + column;
        at.y += query * rows.ld_y + column;
        if (task.in_bf16) {
            attend(Pairs{*task.kernels}, *span, task.n_embd_head, at, scratch);
        } else {
            attend(Floats{*task.kernels}, *span, task.n_embd_head, at, scratch);
        }
        job = task.next++;
    }
}

}  // namespace altclip

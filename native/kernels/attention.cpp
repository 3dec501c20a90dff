#include "kernels/attention.h"

#include <algorithm>
#include <cstring>

namespace altclip {

namespace {

constexpr int64_t query_block = 48;  // queries whose scores are held at once: whole token tiles
static_assert(query_block % max_token_tile == 0, "whole tiles");

int64_t padded(int64_t n) {
    return (n + output_tile - 1) / output_tile * output_tile;
}

/// A thread's scratch, cut up for one head.
struct Scratch {
    float * keys;     // [n_key / 16][n_embd_head][16]: transposed, the last tile padded with zeros
    float * values;   // [n_key][n_embd_head padded]
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
        values = take(n_key * padded(n_embd_head));
        queries = take(query_block * n_embd_head);
        scores = take(query_block * padded(n_key));
        weights = take(padded(n_key) * max_token_tile);
        result = take(max_token_tile * padded(n_embd_head));
    }
    static int64_t size(int64_t n_key, int64_t n_embd_head) {
        const int64_t keys = padded(padded(n_key) * n_embd_head), values = padded(n_key * padded(n_embd_head));
        const int64_t queries = padded(query_block * n_embd_head), scores = padded(query_block * padded(n_key));
        return keys + values + queries + scores + padded(padded(n_key) * max_token_tile) +
               padded(max_token_tile * padded(n_embd_head));
    }
};

void transpose_keys(const float * k, int64_t ld, int64_t n_key, int64_t n_embd_head, float * out) {
    for (int64_t tile = 0; tile < padded(n_key); tile += output_tile, out += n_embd_head * output_tile) {
        const int64_t n = std::min(output_tile, n_key - tile);
        if (n < output_tile) std::fill_n(out, n_embd_head * output_tile, 0.0f);
        for (int64_t r = 0; r < n; ++r) {
            const float * key = k + (tile + r) * ld;
            for (int64_t i = 0; i < n_embd_head; ++i) out[i * output_tile + r] = key[i];
        }
    }
}

/// One head of one sequence; the pointers stand at the head's columns of the sequence's first row.
void attend(const KernelTable & kernels, const AttentionSpan & span, int64_t n_embd_head, const AttentionRows & at,
            float * memory) {
    const Scratch s(memory, span.n_key, n_embd_head);
    const int64_t token_tile = kernels.token_tile, step = kernels.output_tiles * output_tile;
    const int64_t n_key_padded = padded(span.n_key), n_values = padded(n_embd_head);
    const Ahead nothing{reinterpret_cast<const std::byte *>(s.keys), 0, 0};  // what comes next is in the cache
    transpose_keys(at.k, at.ld_k, span.n_key, n_embd_head, s.keys);
    const float * values = at.v;
    int64_t ld_values = at.ld_v;
    if (n_values != n_embd_head) {  // the products read whole tiles of 16 columns
        for (int64_t i = 0; i < span.n_key; ++i) {
            std::copy_n(at.v + i * at.ld_v, n_embd_head, s.values + i * n_values);
            std::fill(s.values + i * n_values + n_embd_head, s.values + (i + 1) * n_values, 0.0f);
        }
        values = s.values;
        ld_values = n_values;
    }
    for (int64_t first = 0; first < span.n_query; first += query_block) {
        const int64_t n_block = std::min(query_block, span.n_query - first);
        for (int64_t i = 0; i < n_block; i += token_tile) {
            kernels.pack_f32(at.q + (first + i) * at.ld_q, at.ld_q, std::min(token_tile, n_block - i), n_embd_head,
                             s.queries + i * n_embd_head);
        }
        for (int64_t key = 0; key < n_key_padded; key += step) {
            const int64_t n_tiles = std::min(step, n_key_padded - key) / output_tile;
            for (int64_t i = 0; i < n_block; i += token_tile) {
                kernels.product_f32(std::min(token_tile, n_block - i), n_tiles, n_embd_head,
                                    s.queries + i * n_embd_head, s.keys + key * n_embd_head, output_tile,
                                    n_embd_head * output_tile, s.scores + i * n_key_padded + key, n_key_padded, false,
                                    nothing);
            }
        }
        for (int64_t i = 0; i < n_block; i += token_tile) {
            const int64_t n = std::min(token_tile, n_block - i);
            float inverse[max_token_tile];
            for (int64_t r = 0; r < n; ++r)
                inverse[r] = 1.0f / kernels.softmax(s.scores + (i + r) * n_key_padded, span.n_key, span.scale);
            kernels.pack_f32(s.scores + i * n_key_padded, n_key_padded, n, span.n_key, s.weights);
            for (int64_t c = 0; c < n_values; c += step) {
                kernels.product_f32(n, std::min(step, n_values - c) / output_tile, span.n_key, s.weights, values + c,
                                    ld_values, output_tile, s.result + c, n_values, false, nothing);
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
        attend(*task.kernels, *span, task.n_embd_head, at, scratch);
        job = task.next++;
    }
}

}  // namespace altclip

// Attention of unpadded sequences over packed tiles: no score matrix beyond a block of queries, no mask.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "kernels/kernels.h"

namespace altclip {

/// n_seq sequences of one shape: their queries are rows first_query + i * n_query of q, their keys and values rows
/// first_key + i * key_stride of k and v.
struct AttentionSpan {
    int64_t n_seq = 0;
    int64_t n_query = 0;
    int64_t n_key = 0;
    int64_t first_query = 0;
    int64_t first_key = 0;
    int64_t key_stride = 0;
    float scale = 0;  // of the scores; 0: every key weighs the same
};

struct AttentionTask {
    const KernelTable * kernels = nullptr;
    std::vector<AttentionSpan> spans;
    int64_t n_head = 0;
    int64_t n_embd_head = 0;
    bool in_bf16 = false;  // products of numbers rounded to bf16, where what reads the result takes no more bits
    std::atomic<int64_t> next{0};  // job: one head of one sequence
};

/// Rows of q, k, v and y, each ld floats apart; a row holds its heads side by side.
struct AttentionRows {
    const float * q = nullptr;
    int64_t ld_q = 0;
    const float * k = nullptr;
    int64_t ld_k = 0;
    const float * v = nullptr;
    int64_t ld_v = 0;
    float * y = nullptr;
    int64_t ld_y = 0;
};

/// Floats that each thread works in.
int64_t attention_scratch_size(const std::vector<AttentionSpan> & spans, int64_t n_embd_head);

/// Takes jobs until none is left.
void run_attention(AttentionTask & task, const AttentionRows & rows, float * scratch);

}  // namespace altclip

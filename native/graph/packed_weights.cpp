#include "graph/packed_weights.h"

#include <algorithm>
#include <atomic>
#include <new>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "kernels/huge_pages.h"

namespace altclip {

namespace {

void add_blocks(const std::vector<BlockWeights> & blocks, std::vector<const ggml_tensor *> & weights) {
    for (const BlockWeights & block : blocks) {
        for (const Linear * linear : {&block.q, &block.k, &block.v, &block.out, &block.up, &block.down})
            weights.push_back(linear->weight);
    }
}

/// A tower that was saved without its projection lacks that one.
std::vector<const ggml_tensor *> linear_weights(const Model & model) {
    std::vector<const ggml_tensor *> weights;
    if (model.text) {
        add_blocks(model.text->blocks, weights);
        weights.insert(weights.end(), {model.text->transform.weight, model.text->projection.weight});
    }
    if (model.vision) {
        add_blocks(model.vision->blocks, weights);
        weights.insert(weights.end(), {model.vision->patch_embd.weight, model.vision->projection.weight});
    }
    weights.erase(std::remove(weights.begin(), weights.end(), nullptr), weights.end());
    return weights;
}

/// Of a packed weight; the next one begins at a cache line too.
size_t bytes_of(const ggml_tensor * weight) {
    const size_t n_bytes = PackedWeight::n_bytes(weight->type, weight->ne[0], weight->ne[1]);
    return (n_bytes + packed_alignment - 1) / packed_alignment * packed_alignment;
}

struct PackJob {
    const ggml_tensor * source;
    PackedWeight * target;
    int64_t first;
    int64_t last;
};

}  // namespace

PackedWeights::PackedWeights(const Model & model, int n_threads, const AbortFlag & abort) {
    if (model.packed) {
        map(model);
        return;
    }
    constexpr int64_t tiles_per_job = 16;
    std::vector<const ggml_tensor *> supported;
    size_t n_bytes = 0;
    for (const ggml_tensor * weight : linear_weights(model)) {
        if (!PackedWeight::supports(weight->type)) continue;
        supported.push_back(weight);
        n_bytes += bytes_of(weight);
    }
    const std::shared_ptr<std::byte> memory = huge_pages(n_bytes);
    std::vector<PackJob> jobs;
    size_t offset = 0;
    for (const ggml_tensor * weight : supported) {
        const std::shared_ptr<std::byte> part(memory, memory.get() + std::exchange(offset, offset + bytes_of(weight)));
        const auto made = weights_.try_emplace(weight, weight->type, weight->ne[0], weight->ne[1], part);
        PackedWeight & target = made.first->second;
        for (int64_t tile = 0; made.second && tile < target.n_tiles(); tile += tiles_per_job) {
            jobs.push_back({weight, &target, tile, std::min(tile + tiles_per_job, target.n_tiles())});
        }
    }

    const auto run = [&](const PackJob & job) {
        job.target->pack(job.source->data, job.first, job.last);
        const auto * rows = static_cast<const uint8_t *>(job.source->data);
        const size_t tile = static_cast<size_t>(output_tile) * job.source->nb[1];
        model.file->forget(rows + static_cast<size_t>(job.first) * tile,
                           std::min(rows + static_cast<size_t>(job.last) * tile, rows + ggml_nbytes(job.source)));
    };
    std::atomic<size_t> next{0};
    std::atomic<bool> no_memory{false};  // an exception must not leave a thread
    const auto work = [&] {
        try {
            for (size_t i = next++; i < jobs.size() && !abort.aborted() && !no_memory; i = next++) run(jobs[i]);
        } catch (const std::bad_alloc &) {
            no_memory = true;
        }
    };
    std::vector<std::thread> helpers;
    try {
        for (int i = 1; i < n_threads; ++i) helpers.emplace_back(work);
    } catch (const std::system_error &) {  // those that there are do it
    }
    work();
    for (std::thread & helper : helpers) helper.join();
    if (no_memory) throw std::bad_alloc();
    abort.throw_if_aborted();
    // parts share pages, and what was given back may have come again with the part beside it
    model.file->forget(model.file->data(), model.file->data() + model.file->size());
}

void PackedWeights::map(const Model & model) {
    for (const ggml_tensor * weight : linear_weights(model)) {
        // written to by pack() alone, which has been called when the file was made
        const std::shared_ptr<std::byte> memory(model.file, static_cast<std::byte *>(weight->data));
        weights_.try_emplace(weight, weight->type, weight->ne[0], weight->ne[1], memory);
    }
}

const PackedWeight * PackedWeights::find(const ggml_tensor * weight) const {
    const auto found = weights_.find(weight);
    return found == weights_.end() ? nullptr : &found->second;
}

}  // namespace altclip

#include "convert/tensor_writer.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "convert/ordered_pipeline.h"
#include "convert/quantizer.h"
#include "error.h"
#include "kernels/packed_weight.h"

namespace altclip {

namespace {

constexpr int64_t n_chunk = int64_t{1} << 19;   // elements, about: 2 MB a slot at most
constexpr int64_t n_cached = int64_t{1} << 14;  // elements
constexpr size_t n_ahead = 8;                   // chunks that are being read from the disk

/// The largest magnitude that does not become infinite.
float limit_of(ggml_type type) {
    constexpr float max_f16 = 65504.0f;
    switch (type) {
        case GGML_TYPE_F16: return max_f16;
        case GGML_TYPE_BF16: return 3.38e38f;
        // blocks hold scales in f16: the largest value over 127, over 8, and for K types over 63 at least
        case GGML_TYPE_Q8_0: return 127.0f * max_f16;
        case GGML_TYPE_Q4_0: return 8.0f * max_f16;
        case GGML_TYPE_Q6_K:
        case GGML_TYPE_Q5_K:
        case GGML_TYPE_Q4_K: return 63.0f * max_f16;
        default: return std::numeric_limits<float>::max();
    }
}

/// Rows of one tensor.
struct Chunk {
    const StoredTensor * tensor;
    int64_t first_row;
    int64_t n_rows;
};

int64_t source_row(const StoredTensor & tensor) {
    return tensor.spec.ne()[0];
}

std::vector<Chunk> chunks_of(const std::vector<StoredTensor> & tensors) {
    std::vector<Chunk> chunks;
    for (const StoredTensor & tensor : tensors) {
        const int64_t n_rows = element_count(tensor.spec.shape).value() / source_row(tensor);
        // a packed weight's scales lie behind all of its rows
        const int64_t n_most = tensor.packed ? n_rows : std::max<int64_t>(1, n_chunk / tensor.n_row);
        for (int64_t first = 0; first < n_rows; first += n_most) {
            chunks.push_back({&tensor, first, std::min(n_most, n_rows - first)});
        }
    }
    return chunks;
}

void check(const StoredTensor & tensor, const WeightSource & source, int64_t first, const float * values,
           int64_t count) {
    const float limit = limit_of(tensor.type);
    bool all_good = true;
    // without a way out of the loop, so that compilers vectorise it; false for NaN too
    for (int64_t i = 0; i < count; ++i) all_good &= std::fabs(values[i]) <= limit;
    if (all_good) return;
    int64_t bad = 0;
    while (std::fabs(values[bad]) <= limit) ++bad;
    fail(ErrorCode::model_format, source.file_of(tensor.source_index), ": the tensor '",
         source.tensors()[tensor.source_index].name, "' has the value ", values[bad], " at element ", first + bad,
         ", which cannot be stored as ", ggml_type_name(tensor.type), " (in '", tensor.spec.name, "')");
}

/// All rows of a linear weight to the kernels' order.
void pack(const StoredTensor & tensor, int64_t n_rows, std::vector<uint8_t> & bytes) {
    std::vector<uint8_t> packed(PackedWeight::n_bytes(tensor.type, tensor.n_row, n_rows));
    const std::shared_ptr<std::byte> memory(std::shared_ptr<void>(), reinterpret_cast<std::byte *>(packed.data()));
    PackedWeight weight(tensor.type, tensor.n_row, n_rows, memory);
    weight.pack(bytes.data(), 0, weight.n_tiles());
    bytes.swap(packed);
}

/// Rows at a time that stay in the cache from being read to being quantised.
void convert(const Chunk & chunk, const WeightSource & source, PipelineSlot & slot) {
    const StoredTensor & tensor = *chunk.tensor;
    const int64_t n_from = source_row(tensor), n_to = tensor.n_row;
    const size_t row_bytes = ggml_row_size(tensor.type, n_to);
    const bool is_padded = n_from != n_to;
    const int64_t n_at_once = is_padded ? 1 : std::max<int64_t>(1, n_cached / n_to);
    slot.values.assign(static_cast<size_t>(n_at_once * n_to), 0.0f);
    slot.bytes.resize(static_cast<size_t>(chunk.n_rows) * row_bytes);
    for (int64_t row = 0; row < chunk.n_rows; row += n_at_once) {
        const int64_t n_rows = std::min(n_at_once, chunk.n_rows - row);
        const int64_t first = (chunk.first_row + row) * n_from;
        source.read(tensor.source_index, first, n_rows * n_from, slot.values.data());
        check(tensor, source, first, slot.values.data(), n_rows * n_from);
        quantize_rows(tensor.type, slot.values.data(), n_rows, n_to,
                      slot.bytes.data() + static_cast<size_t>(row) * row_bytes);
    }
    source.forget(tensor.source_index, chunk.first_row * n_from, chunk.n_rows * n_from);
    if (tensor.packed) pack(tensor, chunk.n_rows, slot.bytes);
}

void expect(const Chunk & chunk, const WeightSource & source) {
    const int64_t n_row = source_row(*chunk.tensor);
    source.expect(chunk.tensor->source_index, chunk.first_row * n_row, chunk.n_rows * n_row);
}

}  // namespace

void write_tensors(const std::vector<StoredTensor> & tensors, const WeightSource & source, AtomicFile & file,
                   size_t n_threads, const AbortFlag & abort, const std::function<void(uint64_t)> & on_progress) {
    const std::vector<Chunk> chunks = chunks_of(tensors);
    uint64_t n_written = 0;
    run_in_order(
        chunks.size(), n_threads,
        [&](size_t i, PipelineSlot & slot) {
            if (i + n_ahead < chunks.size()) expect(chunks[i + n_ahead], source);
            convert(chunks[i], source, slot);
        },
        [&](size_t i, const PipelineSlot & slot) {
            abort.throw_if_aborted();
            if (chunks[i].first_row == 0) file.write_zeros(chunks[i].tensor->offset - file.position());
            file.write(slot.bytes.data(), slot.bytes.size());
            n_written += slot.bytes.size();
            if (on_progress) on_progress(n_written);
        });
}

}  // namespace altclip

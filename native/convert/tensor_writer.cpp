#include "convert/tensor_writer.h"

#include <algorithm>
#include <cmath>
#include <future>
#include <limits>
#include <thread>

#include "error.h"

namespace altclip {

namespace {

constexpr int64_t n_chunk = int64_t{1} << 20;  // elements, about
constexpr size_t max_lanes = 8;

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

}  // namespace

TensorWriter::TensorWriter(const WeightSource & source, AtomicFile & file, const AbortFlag & abort,
                           const std::function<void(uint64_t)> & on_progress)
    : source_(source), file_(file), abort_(abort), on_progress_(on_progress) {
    lanes_.resize(std::clamp<size_t>(std::thread::hardware_concurrency(), 1, max_lanes));
}

void TensorWriter::write(const TensorSpec & spec, size_t source_index, ggml_type type, int64_t n_row) {
    const Target target{spec, source_index, type, spec.ne()[0], n_row};
    const int64_t n_rows = element_count(spec.shape).value() / target.n_source_row;
    const int64_t n_lane_rows = std::max<int64_t>(1, n_chunk / n_row);
    for (int64_t first = 0; first < n_rows;) {
        abort_.throw_if_aborted();
        std::vector<std::future<void>> others;
        size_t n_used = 0;
        for (int64_t begin = first; n_used < lanes_.size() && begin < n_rows; begin += n_lane_rows, ++n_used) {
            const int64_t count = std::min(n_lane_rows, n_rows - begin);
            Lane & lane = lanes_[n_used];
            const bool last = n_used + 1 == lanes_.size() || begin + count == n_rows;
            const auto work = [&, begin, count] { convert(target, begin, count, lane); };
            if (last) {
                work();  // on this thread, while the others run
            } else {
                others.push_back(std::async(std::launch::async, work));
            }
            first = begin + count;
        }
        for (std::future<void> & other : others) other.get();
        for (size_t i = 0; i < n_used; ++i) {
            file_.write(lanes_[i].bytes.data(), lanes_[i].bytes.size());
            n_written_ += lanes_[i].bytes.size();
        }
        if (on_progress_) on_progress_(n_written_);
    }
}

void TensorWriter::convert(const Target & target, int64_t first_row, int64_t n_rows, Lane & lane) const {
    const int64_t n_from = target.n_source_row, n_to = target.n_row;
    lane.values.assign(static_cast<size_t>(n_rows * n_to), 0.0f);
    for (int64_t row = 0; row < n_rows;) {
        const int64_t count = n_from == n_to ? n_rows : 1;
        float * values = lane.values.data() + row * n_to;
        source_.read(target.source_index, (first_row + row) * n_from, count * n_from, values);
        check(target, (first_row + row) * n_from, values, count * n_from);
        row += count;
    }
    lane.bytes.resize(static_cast<size_t>(n_rows) * ggml_row_size(target.type, n_to));
    ggml_quantize_chunk(target.type, lane.values.data(), lane.bytes.data(), 0, n_rows, n_to, nullptr);
}

void TensorWriter::check(const Target & target, int64_t first, const float * values, int64_t count) const {
    const float limit = limit_of(target.type);
    for (int64_t i = 0; i < count; ++i) {
        if (std::fabs(values[i]) <= limit) continue;  // false for NaN too
        fail(ErrorCode::model_format, source_.file_of(target.source_index), ": the tensor '",
             source_.tensors()[target.source_index].name, "' has the value ", values[i], " at element ", first + i,
             ", which cannot be stored as ", ggml_type_name(target.type), " (in '", target.spec.name, "')");
    }
}

}  // namespace altclip

#include "convert/tensor_writer.h"

#include <algorithm>
#include <cmath>
#include <future>
#include <limits>
#include <thread>

#include "error.h"

namespace altclip {

namespace {

constexpr int64_t n_chunk = int64_t{1} << 20;  // elements; whole blocks of every ggml type
constexpr size_t max_lanes = 8;

/// The largest magnitude that does not become infinite.
float limit_of(ggml_type type) {
    constexpr float max_f16 = 65504.0f;
    switch (type) {
        case GGML_TYPE_F16: return max_f16;
        case GGML_TYPE_BF16: return 3.38e38f;
        case GGML_TYPE_Q8_0: return 127.0f * max_f16;  // a block's scale is its largest value / 127 in f16
        default: return std::numeric_limits<float>::max();
    }
}

}  // namespace

TensorWriter::TensorWriter(const WeightSource & source, AtomicFile & file, const AbortFlag & abort,
                           const std::function<void(uint64_t)> & on_progress)
    : source_(source), file_(file), abort_(abort), on_progress_(on_progress) {
    lanes_.resize(std::clamp<size_t>(std::thread::hardware_concurrency(), 1, max_lanes));
}

void TensorWriter::write(const TensorSpec & spec, size_t source_index, ggml_type type) {
    const int64_t n_total = element_count(spec.shape).value();
    for (int64_t first = 0; first < n_total;) {
        abort_.throw_if_aborted();
        std::vector<std::future<void>> others;
        size_t n_used = 0;
        for (int64_t begin = first; n_used < lanes_.size() && begin < n_total; begin += n_chunk, ++n_used) {
            const int64_t count = std::min(n_chunk, n_total - begin);
            Lane & lane = lanes_[n_used];
            const bool last = n_used + 1 == lanes_.size() || begin + count == n_total;
            const auto work = [&, begin, count] { convert(spec, source_index, type, begin, count, lane); };
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

void TensorWriter::convert(const TensorSpec & spec, size_t source_index, ggml_type type, int64_t first, int64_t count,
                           Lane & lane) const {
    lane.values.resize(static_cast<size_t>(count));
    source_.read(source_index, first, count, lane.values.data());
    const float limit = limit_of(type);
    for (int64_t i = 0; i < count; ++i) {
        const float value = lane.values[static_cast<size_t>(i)];
        if (std::fabs(value) <= limit) continue;  // false for NaN too
        fail(ErrorCode::model_format, source_.file_of(source_index), ": the tensor '",
             source_.tensors()[source_index].name, "' has the value ", value, " at element ", first + i,
             ", which cannot be stored as ", ggml_type_name(type), " (in '", spec.name, "')");
    }
    lane.bytes.resize(ggml_row_size(type, count));
    ggml_quantize_chunk(type, lane.values.data(), lane.bytes.data(), 0, 1, count, nullptr);
}

}  // namespace altclip

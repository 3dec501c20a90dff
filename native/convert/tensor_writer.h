// Streams one tensor after another from a WeightSource into a file, converted on the way.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "abort_flag.h"
#include "convert/tensor_map.h"
#include "convert/weight_source.h"
#include "ggml.h"
#include "io/atomic_file.h"

namespace altclip {

class TensorWriter {
public:
    /// `on_progress` hears the bytes written so far. All arguments must outlive the writer.
    TensorWriter(const WeightSource & source, AtomicFile & file, const AbortFlag & abort,
                 const std::function<void(uint64_t)> & on_progress);

    /// Appends a tensor as `type` with rows of `n_row` values, by ggml's own quantiser, on all cores, a few MB at a
    /// time. `n_row` must be whole blocks of `type`; what it has beyond the source's rows is zeros. Throws model_format
    /// for values that are not finite or that `type` cannot hold, io and aborted.
    void write(const TensorSpec & spec, size_t source_index, ggml_type type, int64_t n_row);

private:
    struct Lane {
        std::vector<float> values;
        std::vector<uint8_t> bytes;
    };

    struct Target {
        const TensorSpec & spec;
        size_t source_index;
        ggml_type type;
        int64_t n_source_row;
        int64_t n_row;
    };

    void convert(const Target & target, int64_t first_row, int64_t n_rows, Lane & lane) const;
    void check(const Target & target, int64_t first, const float * values, int64_t count) const;

    const WeightSource & source_;
    AtomicFile & file_;
    const AbortFlag & abort_;
    const std::function<void(uint64_t)> & on_progress_;
    std::vector<Lane> lanes_;
    uint64_t n_written_ = 0;
};

}  // namespace altclip

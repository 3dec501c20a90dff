// Streams tensors from a WeightSource into a file, converted on the way.
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

/// One tensor of the output.
struct StoredTensor {
    const TensorSpec & spec;
    size_t source_index;
    ggml_type type;
    int64_t n_row;    // values, whole blocks of `type`; what it has beyond the source's rows is zeros
    bool packed;      // written as PackedWeight packs those rows
    uint64_t offset;  // in the file
};

/// Appends the tensors, which must be in the order of their offsets, quantised as ggml does, a few MB at a time (packed
/// ones whole): reading, converting on `n_threads` threads and writing overlap, across tensors too. What lies between
/// two is zeros.
/// `on_progress` hears the bytes of tensors written so far, on the calling thread. Throws model_format for values that
/// are not finite or that a type cannot hold, io and aborted.
void write_tensors(const std::vector<StoredTensor> & tensors, const WeightSource & source, AtomicFile & file,
                   size_t n_threads, const AbortFlag & abort, const std::function<void(uint64_t)> & on_progress);

}  // namespace altclip

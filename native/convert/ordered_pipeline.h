// Work on several threads whose results are wanted in order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace altclip {

/// Memory of one piece of work, used again by a later one.
struct PipelineSlot {
    std::vector<float> values;
    std::vector<uint8_t> bytes;
};

/// Calls `make(i, slot)` for i in [0, n_items) on up to n_threads (16 at most) threads, and `use(i, slot)` in the order
/// of i on the calling thread while others are being made; two slots a thread, so memory is bounded however slow `use`
/// is. What either throws ends the rest and is thrown here; of several failures of `make` the one with the smallest i.
/// Throws out_of_memory where no thread can be started.
void run_in_order(size_t n_items, size_t n_threads, const std::function<void(size_t, PipelineSlot &)> & make,
                  const std::function<void(size_t, const PipelineSlot &)> & use);

}  // namespace altclip

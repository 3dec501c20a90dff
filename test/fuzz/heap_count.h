// Counts the bytes on the heap: under AddressSanitizer all that malloc gives out, else with glibc all of operator new;
// elsewhere nothing, and the peak is 0.
#pragma once

#include <cstddef>

namespace fuzz {

/// The most bytes at once since the last call of reset_peak(), beyond what was there then; in the whole process.
size_t peak_bytes();
void reset_peak();

}  // namespace fuzz

// How fast a table's product functions alone are: one thread, operands in its caches, as run_linear hands them over.
#pragma once

#include "kernels/kernels.h"
#include "kernels/packed_rows.h"

namespace altclip::bench {

/// Billions of operations a second over a block of inputs, as many output tiles as the table takes, and 252 tokens; the
/// best of many rounds. Not for bytes.
double core_rate(const KernelTable & kernels, ggml_type type, Operand operand);

}  // namespace altclip::bench

#include "kernels/linear.h"

#include <algorithm>

#include "kernels/tile_product.h"

namespace altclip {

namespace {

constexpr int64_t few_tokens_groups = 4;  // groups of tiles of a job of few tokens, since the next one is asked for too

/// Asks the caches for memory that is soon read.
void fetch(const float * memory, int64_t n) {
#if defined(__GNUC__)
    for (int64_t i = 0; i < n; i += 16) __builtin_prefetch(memory + i);
    __asm__ volatile("");  // GCC drops calls of functions that do nothing but ask
#endif
}

/// Asks for memory that is soon written, so that no other core has it then.
void fetch_to_write(float * memory, int64_t n) {
#if defined(__GNUC__) && defined(__x86_64__)
    // what __builtin_prefetch makes with a flag of its own; CPUs without the instruction do nothing
    for (int64_t i = 0; i < n; i += 16) __asm__ volatile("prefetchw %0" : : "m"(memory[i]));
#elif defined(__GNUC__)
    for (int64_t i = 0; i < n; i += 16) __builtin_prefetch(memory + i, 1);
    __asm__ volatile("");
#endif
}

/// Groups of tiles that a product takes at once.
int64_t n_groups(const KernelTable & kernels, const LinearPart & part) {
    return part.weight ? (part.weight->n_tiles() + kernels.output_tiles - 1) / kernels.output_tiles : 0;
}

/// Tokens [first, first + n) by one group of all parts' tiles; this thread's next group is the one behind it. `rows`
/// begin with token `first`, their y with column `first_column`. Outputs that leave packed go without activation.
void run_group(const LinearTask & task, int64_t group, const float * packed, int64_t n_rows, int64_t first, int64_t n,
               const LinearRows & rows, int64_t first_column, ProductScratch & scratch) {
    const KernelTable & kernels = *task.kernels;
    const LinearPart * part = task.parts.data();
    for (; group >= n_groups(kernels, *part); ++part) group -= n_groups(kernels, *part);
    const int64_t tile = group * kernels.output_tiles, output = tile * output_tile;
    const int64_t n_tiles = std::min(kernels.output_tiles, part->weight->n_tiles() - tile);
    const int64_t n_outputs = std::min(n_tiles * output_tile, part->weight->n_out() - output);
    const int64_t column = part->column + output;
    const float * bias = part->bias ? part->bias + output : nullptr;
    const auto residual = [&](int64_t row) {
        return rows.residual ? rows.residual + row * rows.ld_residual + column : nullptr;
    };
    const auto y = [&](int64_t row) { return rows.y + row * rows.ld + column - first_column; };
    const std::optional<Activation> activation = task.packed_as ? std::nullopt : task.activation;
    const Outputs outputs{y(0), rows.ld, bias, residual(0), rows.ld_residual};
    const bool as_they_are = n_outputs == n_tiles * output_tile && !activation;
    TileProduct(kernels, task.operand, *part->weight, tile, n_tiles, tile + kernels.output_tiles, scratch)
        .run(
            packed, n_rows, first, n, as_they_are ? &outputs : nullptr,
            [&](int64_t row, int64_t n_tile) {
                for (const int64_t end = row + n_tile; row < end; ++row) {
                    fetch_to_write(y(row), n_outputs);
                    if (rows.residual) fetch(residual(row), n_outputs);
                }
            },
            [&](int64_t row, int64_t n_tile, const float * sums) {
                for (const int64_t end = row + n_tile; row < end; ++row, sums += n_tiles * output_tile)
                    kernels.finish(sums, n_outputs, bias, activation, residual(row), y(row));
            });
}

/// Outputs [column, column + n_columns) of a strip, which begins with token `first`, activated, to packed rows.
void pack_outputs(const LinearTask & task, float * strip, int64_t first, int64_t n, int64_t column, int64_t n_columns,
                  float * packed) {
    const KernelTable & kernels = *task.kernels;
    const int64_t n_out = task.parts[0].weight->n_out();
    for (int64_t i = 0; i < n; i += kernels.token_tile) {
        const int64_t n_tile = std::min(kernels.token_tile, n - i);
        float * rows = strip + i * integer_run;
        if (task.activation) {
            for (int64_t r = 0; r < n_tile; ++r)
                kernels.finish(rows + r * integer_run, n_columns, nullptr, task.activation, nullptr,
                               rows + r * integer_run);
        }
        pack_strip(kernels, *task.packed_as, rows, integer_run, first + i, n_tile, column, n_columns, n_out, packed);
    }
}

}  // namespace

int64_t linear_scratch_size(int64_t n_rows) {
    return std::min(n_rows, token_block) * integer_run;
}

void run_linear(LinearTask & task, const float * packed, int64_t n_rows, const LinearRows & rows,
                float * strip_of_outputs) {
    const KernelTable & kernels = *task.kernels;
    ProductScratch scratch;
    int64_t n_all = 0;
    for (const LinearPart & part : task.parts) n_all += n_groups(kernels, part);
    // blocks of equal size, so that the last one is not a stub
    const int64_t n_blocks = (n_rows + token_block - 1) / token_block;
    const int64_t block = (n_token_tiles(kernels, n_rows) + n_blocks - 1) / n_blocks * kernels.token_tile;
    const int64_t n_job_groups = task.packed_as         ? integer_run / (kernels.output_tiles * output_tile)
                                 : n_rows <= few_tokens ? few_tokens_groups
                                                        : 1;
    const int64_t n_jobs = (n_all + n_job_groups - 1) / n_job_groups;
    // Each thread has a strip of the outputs as long as threads keep step: two that write side by side would take the
    // cache's lines from each other.
    const int64_t n_strips = std::min(task.n_threads, n_jobs), n_strip = n_jobs / n_strips, n_rest = n_jobs % n_strips;
    for (int64_t job = task.next++; job < n_jobs * n_blocks; job = task.next++) {
        if (task.aborted && (*task.aborted)()) return;
        const int64_t first = job / n_jobs * block, n = std::min(block, n_rows - first);
        if (n <= 0) continue;
        const int64_t strip = job % n_jobs % n_strips, place = job % n_jobs / n_strips;
        const int64_t group = (strip * n_strip + std::min(strip, n_rest) + place) * n_job_groups;
        const int64_t end = std::min(group + n_job_groups, n_all);
        LinearRows here{rows.residual ? rows.residual + first * rows.ld_residual : nullptr, rows.ld_residual,
                        rows.y + first * rows.ld, rows.ld};
        const int64_t column = task.packed_as ? group * kernels.output_tiles * output_tile : 0;
        if (task.packed_as) here = {nullptr, 0, strip_of_outputs, integer_run};
        for (int64_t g = group; g < end; ++g) run_group(task, g, packed, n_rows, first, n, here, column, scratch);
        if (task.packed_as) {
            const int64_t n_columns = std::min(integer_run, task.parts[0].weight->n_out() - column);
            pack_outputs(task, here.y, first, n, column, n_columns, rows.y);
        }
    }
}

}  // namespace altclip

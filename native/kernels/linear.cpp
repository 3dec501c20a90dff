#include "kernels/linear.h"

#include <algorithm>

namespace altclip {

namespace {

constexpr int64_t k_block = 1024;     // inputs: a widened weight tile of these stays in the first-level cache
constexpr int64_t token_block = 264;  // tokens of a job: their activations stay in the second-level cache
static_assert(token_block % token_tile == 0, "whole tiles");

/// What a thread works in: a weight tile widened, and the sums of one job.
struct alignas(64) Scratch {
    union {
        float f32[k_block * output_tile];
        int16_t i16[k_block * output_tile];
    };
    float sums[token_block * output_tile];
};

int64_t n_token_tiles(int64_t n_rows) {
    return (n_rows + token_tile - 1) / token_tile;
}

/// Products of one weight tile with one block of tokens, over all inputs, into scratch.sums.
class TileProduct {
public:
    TileProduct(const KernelTable & kernels, const PackedWeight & weight, int64_t tile, Scratch & scratch)
        : kernels_(kernels), weight_(weight), tile_(tile), scratch_(scratch) {}

    void run(const float * packed, int64_t n_rows, int64_t first_row, int64_t n) {
        const int64_t n_in = weight_.n_in(), row_words = takes_integers(weight_.type()) ? n_in / 2 : n_in;
        const float * token_scales = packed + n_token_tiles(n_rows) * token_tile * row_words;
        for (int64_t k = 0; k < n_in; k += k_block) {
            const int64_t n_k = std::min(k_block, n_in - k);
            const void * operand = widen(k, n_k);
            for (int64_t i = 0; i < n; i += token_tile) {
                const int64_t row = first_row + i, n_tile = std::min(token_tile, n - i);
                float * sums = scratch_.sums + i * output_tile;
                const float * tokens =
                    packed + row * row_words;  // a tile begins at row * row_words: it holds token_tile rows
                if (takes_integers(weight_.type())) {
                    kernels_.product_i16(n_tile, n_k, reinterpret_cast<const int32_t *>(tokens) + k / 2 * token_tile,
                                         static_cast<const int16_t *>(operand), weight_.scales(tile_),
                                         token_scales + row, sums, k > 0);
                } else {
                    kernels_.product_f32(n_tile, n_k, tokens + k * token_tile, static_cast<const float *>(operand),
                                         output_tile, sums, output_tile, k > 0);
                }
            }
        }
    }

private:
    /// Inputs [k, k + n_k) of the tile as the products take them; f32 lies ready.
    const void * widen(int64_t k, int64_t n_k) {
        const std::byte * tile = weight_.tile(tile_);
        const auto * half = reinterpret_cast<const uint16_t *>(tile) + k * output_tile;
        switch (weight_.type()) {
            case GGML_TYPE_F16: kernels_.widen_f16(half, n_k * output_tile, scratch_.f32); return scratch_.f32;
            case GGML_TYPE_BF16: kernels_.widen_bf16(half, n_k * output_tile, scratch_.f32); return scratch_.f32;
            case GGML_TYPE_Q8_0:
                kernels_.widen_q8(reinterpret_cast<const uint8_t *>(tile) + k / q8_block * q8_block_bytes,
                                  n_k / q8_block, scratch_.i16);
                return scratch_.i16;
            default: return reinterpret_cast<const float *>(tile) + k * output_tile;
        }
    }

    const KernelTable & kernels_;
    const PackedWeight & weight_;
    int64_t tile_;
    Scratch & scratch_;
};

}  // namespace

int64_t packed_rows_size(bool integers, int64_t n_in, int64_t n_rows) {
    const int64_t n = n_token_tiles(n_rows) * token_tile;
    return integers ? n * (n_in / 2) + n : n * n_in;  // integers: then a scale a token
}

void pack_rows(const KernelTable & kernels, bool integers, const float * x, int64_t ld, int64_t n_rows, int64_t n_in,
               float * packed, int ith, int nth) {
    const int64_t n_tiles = n_token_tiles(n_rows), row_words = integers ? n_in / 2 : n_in;
    float * scales = packed + n_tiles * token_tile * row_words;
    for (int64_t t = n_tiles * ith / nth; t < n_tiles * (ith + 1) / nth; ++t) {
        const int64_t row = t * token_tile, n = std::min(token_tile, n_rows - row);
        float * target = packed + row * row_words;
        if (integers) {
            kernels.pack_i16(x + row * ld, ld, n, n_in, reinterpret_cast<int32_t *>(target), scales + row);
        } else {
            kernels.pack_f32(x + row * ld, ld, n, n_in, target);
        }
    }
}

void run_linear(LinearTask & task, const float * packed, int64_t n_rows, const float * residual, int64_t ld_residual,
                float * y, int64_t ld) {
    Scratch scratch;
    int64_t n_tiles = 0;
    for (const LinearPart & part : task.parts) n_tiles += part.weight ? part.weight->n_tiles() : 0;
    // blocks of equal size, so that the last one is not a stub
    const int64_t n_blocks = (n_rows + token_block - 1) / token_block;
    const int64_t block = (n_token_tiles(n_rows) + n_blocks - 1) / n_blocks * token_tile;
    for (int64_t job = task.next++; job < n_tiles * n_blocks; job = task.next++) {
        int64_t tile = job % n_tiles;
        const LinearPart * part = task.parts.data();
        for (; tile >= part->weight->n_tiles(); ++part) tile -= part->weight->n_tiles();
        const int64_t first = job / n_tiles * block, n = std::min(block, n_rows - first);
        if (n <= 0) continue;
        TileProduct(*task.kernels, *part->weight, tile, scratch).run(packed, n_rows, first, n);

        const int64_t output = tile * output_tile, n_outputs = std::min(output_tile, part->weight->n_out() - output);
        const int64_t column = part->column + output;
        for (int64_t i = 0; i < n; ++i) {
            const int64_t row = first + i;
            task.kernels->finish(scratch.sums + i * output_tile, n_outputs, part->bias ? part->bias + output : nullptr,
                                 task.activation, residual ? residual + row * ld_residual + column : nullptr,
                                 y + row * ld + column);
        }
    }
}

}  // namespace altclip

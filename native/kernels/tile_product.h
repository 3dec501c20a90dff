// A block of tokens times a few tiles of outputs: inputs block by block, weights widened on the way where the kernels
// do not take them as they lie.
#pragma once

#include <algorithm>

#include "kernels/kernels.h"
#include "kernels/packed_rows.h"
#include "kernels/packed_weight.h"

namespace altclip {

inline constexpr int64_t token_block = 264;  // tokens of a job: their activations stay in the second-level cache
inline constexpr int64_t max_input_block = 1024;
static_assert(token_block % max_token_tile == 0, "whole tiles");

// Few tokens are done before the weights have come from memory: then blocks are small, and products ask for the next.
inline constexpr int64_t few_tokens = 48, few_tokens_input_block = 256;

/// What a thread multiplies in: weight tiles widened, and the sums of one job.
struct alignas(64) ProductScratch {
    union {
        float f32[max_input_block * output_tile];
        int16_t i16[2 * max_input_block * output_tile];  // the upper half: integers on the way to f32 in the lower
    };
    float sums[token_block * max_output_tiles * output_tile];
};
static_assert(sizeof(ProductScratch) <= 104 * 1024, "on the stack, of which a thread of musl has 128 KB");

/// Products of up to output_tiles weight tiles with one block of tokens, over all inputs.
class TileProduct {
public:
    /// Of tiles [tile, tile + n_tiles); next_tile: the first of those that this thread multiplies by next.
    TileProduct(const KernelTable & kernels, Operand operand, const PackedWeight & weight, int64_t tile,
                int64_t n_tiles, int64_t next_tile, ProductScratch & scratch)
        : kernels_(kernels),
          operand_(operand),
          weight_(weight),
          tile_(tile),
          n_tiles_(n_tiles),
          next_tile_(next_tile),
          scratch_(scratch) {}

    /// Calls before(i, n_tile) ahead of the last product of tokens [i, i + n_tile) of the block, and after(i, n_tile,
    /// sums) once their sums [n_tile][n_tiles][output_tile] are complete, unless that product left them as outputs.
    template <typename Before, typename After>
    void run(const float * packed, int64_t n_rows, int64_t first_row, int64_t n, const Outputs * outputs,
             const Before & before, const After & after) {
        const int64_t n_in = weight_.n_in(), token_tile = kernels_.token_tile, ld = n_tiles_ * output_tile;
        const int64_t input_block = input_block_of(n);
        const int64_t row_words = words_of_row(operand_, n_in);
        const float * token_scales = packed + n_token_tiles(kernels_, n_rows) * token_tile * row_words;
        for (int64_t k = 0; k < n_in; k += input_block) {
            const int64_t n_k = std::min(input_block, n_in - k);
            const bool last = k + n_k == n_in;
            const Widened w = reads_in_place() ? tiles_in_place(k) : widen(k, n_k);
            const int64_t n_steps = words_of_row(operand_, n_k);
            const float * output_scales = last ? weight_.scales(tile_) : nullptr;
            Ahead next = ahead(k, n_k, (n + token_tile - 1) / token_tile, n_steps);
            for (int64_t i = 0; i < n; i += token_tile) {
                const int64_t row = first_row + i, n_tile = std::min(token_tile, n - i);
                float * sums = scratch_.sums + i * ld;
                // a tile begins at row * row_words: it holds token_tile rows
                const float * tokens = packed + row * row_words + words_of_row(operand_, k) * token_tile;
                const auto * words = reinterpret_cast<const int32_t *>(tokens);
                Outputs here;
                if (outputs) here = rest_of(*outputs, i);
                const Outputs * leave = last && outputs ? &here : nullptr;
                if (last) before(i, n_tile);
                switch (operand_) {
                    case Operand::f32:
                        kernels_.product_f32(n_tile, n_tiles_, n_k, tokens, static_cast<const float *>(w.data),
                                             output_tile, w.next, sums, ld, k > 0, leave, next);
                        break;
                    case Operand::i16:
                        kernels_.product_i16(n_tile, n_tiles_, whole_steps(n_k), words,
                                             static_cast<const int16_t *>(w.data), w.next, output_scales, sums, ld,
                                             k > 0, leave, next);
                        break;
                    case Operand::bytes:
                        kernels_.product_bytes(n_tile, n_tiles_, n_k, words, static_cast<const int16_t *>(w.data),
                                               w.next, weight_.scales(tile_), token_scales + row, sums, ld, k > 0,
                                               leave, next);
                        break;
                    case Operand::i8:
                        i8_products(kernels_, weight_.type())
                            .product(n_tile, n_tiles_, (n_k + i8_run - 1) / i8_run, words,
                                     static_cast<const int16_t *>(w.data), w.next, output_scales, sums, ld, k > 0,
                                     leave, next);
                        break;
                    case Operand::bf16:
                        kernels_.product_bf16(n_tile, n_tiles_, (n_k + 1) / 2, words,
                                              static_cast<const int16_t *>(w.data), w.next, sums, ld, k > 0, leave,
                                              next);
                        break;
                }
                if (last && !leave) after(i, n_tile, sums);
                next.memory += n_steps * next.step;
            }
        }
    }

private:
    /// Tiles as a product takes them, each `next` numbers behind the one before.
    struct Widened {
        const void * data;
        int64_t next;
    };

    /// Inputs of an integer product: the ones that are too many are zero.
    static int64_t whole_steps(int64_t n_k) { return (n_k + integer_step - 1) / integer_step * integer_step; }

    /// Inputs that n tokens are multiplied by before the next: of widened weights what the second-level cache has room
    /// for, of others more, since the sums are read and written once for each. Of one tile of tokens 4 kB of each
    /// tile's weights: the next, which the product asks for, find room in the first-level cache beside them.
    int64_t input_block_of(int64_t n) const {
        if (n > few_tokens) return reads_in_place() ? max_input_block : widened_block();
        if (n > kernels_.token_tile || ggml_is_quantized(weight_.type())) return few_tokens_input_block;
        return few_tokens_input_block / static_cast<int64_t>(ggml_type_size(weight_.type()));
    }

    /// The size of a block of widened weights: 16-bit integers take half of the table's floats.
    int64_t widened_block() const { return operand_ == Operand::i16 ? 2 * kernels_.input_block : kernels_.input_block; }

    /// Whether products read the packed weights themselves.
    bool reads_in_place() const {
        switch (weight_.type()) {
            case GGML_TYPE_F32: return true;
            case GGML_TYPE_F16: return operand_ == Operand::i16;
            case GGML_TYPE_BF16: return operand_ == Operand::bf16;
            default: return false;
        }
    }

    /// Inputs from k on of the tiles, where they lie.
    Widened tiles_in_place(int64_t k) const {
        const size_t size = ggml_type_size(weight_.type());
        return {weight_.tile(tile_) + static_cast<size_t>(k * output_tile) * size,
                static_cast<int64_t>(weight_.tile_bytes() / size)};
    }

    /// Inputs [k, k + n_k) of the tiles.
    Widened widen(int64_t k, int64_t n_k) {
        const int64_t next = widened_block() * output_tile;
        for (int64_t t = 0; t < n_tiles_; ++t) {
            const std::byte * tile = weight_.tile(tile_ + t);
            const auto * half = reinterpret_cast<const uint16_t *>(tile) + k * output_tile;
            switch (weight_.type()) {
                case GGML_TYPE_F16:
                    kernels_.float_i16(reinterpret_cast<const int16_t *>(half), (n_k + 1) / 2,
                                       weight_.scales(tile_ + t), scratch_.f32 + t * next);
                    break;
                case GGML_TYPE_BF16:
                    if (operand_ == Operand::i16) {
                        kernels_.widen_bf16(half, whole_steps(n_k) / 2, weight_.scales(tile_ + t),
                                            scratch_.i16 + t * next);
                    } else {
                        kernels_.float_bf16(half, (n_k + 1) / 2, scratch_.f32 + t * next);
                    }
                    break;
                default: widen_quantised(reinterpret_cast<const uint8_t *>(tile), t, k, n_k, next);
            }
        }
        return {scratch_.f32, next};
    }

    /// The weights that come after inputs [k, k + n_k): what the first of n_products asks for in n_steps.
    Ahead ahead(int64_t k, int64_t n_k, int64_t n_products, int64_t n_steps) const {
        const bool last = k + n_k == weight_.n_in();
        const int64_t tile = last ? next_tile_ : tile_;
        if (tile + n_tiles_ > weight_.n_tiles()) return {weight_.tile(tile_), 0, 0};
        const auto tile_bytes = static_cast<int64_t>(weight_.tile_bytes()), input_bytes = tile_bytes / weight_.n_in();
        return {weight_.tile(tile) + (last ? 0 : input_bytes * (k + n_k)),
                input_bytes * n_k / (n_products * n_steps) + 1, tile_bytes};
    }

    /// Inputs [k, k + n_k) of tile t, to integers, to bytes, or by way of integers to f32.
    void widen_quantised(const uint8_t * data, int64_t t, int64_t k, int64_t n_k, int64_t next) {
        const uint8_t * blocks = data + k / 32 * static_cast<int64_t>(weight_.block_bytes());
        switch (operand_) {
            case Operand::i16: widen_integers()(blocks, n_k / 32, scratch_.i16 + t * next); break;
            case Operand::i8:
                i8_products(kernels_, weight_.type()).widen(blocks, n_k / 32, scratch_.i16 + t * next);
                break;
            case Operand::bytes: kernels_.widen_bytes(blocks, n_k / 32, scratch_.i16 + t * next); break;
            default:
                widen_integers()(blocks, n_k / 32, scratch_.i16 + max_input_block * output_tile);
                kernels_.float_i16(scratch_.i16 + max_input_block * output_tile, n_k / 2, weight_.scales(tile_ + t),
                                   scratch_.f32 + t * next);
        }
    }

    auto widen_integers() const -> decltype(KernelTable::widen_q8) {
        switch (weight_.type()) {
            case GGML_TYPE_Q4_0: return kernels_.widen_q4_0;
            case GGML_TYPE_Q4_K: return kernels_.widen_q4_k;
            case GGML_TYPE_Q5_K: return kernels_.widen_q5_k;
            case GGML_TYPE_Q6_K: return kernels_.widen_q6_k;
            default: return kernels_.widen_q8;
        }
    }

    const KernelTable & kernels_;
    Operand operand_;
    const PackedWeight & weight_;
    int64_t tile_;
    int64_t n_tiles_;
    int64_t next_tile_;
    ProductScratch & scratch_;
};

}  // namespace altclip

// The arithmetic of the CPU path as a table of functions, one table an instruction set; the scalar one is the
// reference.
//
// Matrix products work on tiles of a table's token_tile tokens by one or more tiles of output_tile outputs. Activations
// are packed token tile by token tile, weights output tile by output tile, so that a tile's operands are read from
// front to back; weights lie in the same order whatever the table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "kernels/isa.h"
#include "model/hparams.h"

namespace altclip {

inline constexpr int64_t max_token_tile = 12;
inline constexpr int64_t max_output_tiles = 2;
inline constexpr int64_t output_tile = 16;

/// Integer products, of quantised, half-precision and bf16 weights: activations are 12-bit integers with one scale a
/// token for a run of inputs, weights 14-bit integers with one scale an output, since a block with outliers leaves the
/// others of its row few bits. A run's products fit an int32 sum: 128 * 2047 * 8191 < 2^31.
inline constexpr int64_t integer_run = 128;
inline constexpr int64_t integer_run_words = integer_run / 2 + 1;  // of a token: pairs of inputs, then the scale (f32)
inline constexpr int64_t integer_step = 8;                         // inputs that such products take at least
inline constexpr int32_t activation_max = 2047;
inline constexpr int32_t weight_max = 8191;

/// A q8_0 output tile in memory, for each 32 inputs: 16 multipliers (int16), then 16 pairs of inputs by 16 outputs
/// (int8).
inline constexpr int64_t q8_block = 32;
inline constexpr int64_t q8_block_bytes = output_tile * 2 + q8_block * output_tile;

/// An output tile of a type of fewer bits, for each 32 inputs: one or two rows of 16 numbers (int16), then q as 32
/// vectors of 8 outputs by 2 inputs: vectors 4 g to 4 g + 3 lie in nibbles 0 to 3 of 16 words (256 bytes for all g),
/// and their higher bits in the same manner, so many bits a vector, in words of 16 / bits vectors. The numbers are
/// multipliers as q8_0's, for q - 8 (q4_0) or q - 32 (q6_K, one for inputs 0 to 15, one for 16 to 31) at the top of a
/// byte; or (q4_K, q5_K) scale and minimum: in units of 1/4 of a 14-bit integer, modulo 2^16, a weight is
/// q * scale - minimum.
inline constexpr int64_t low_bits_unit = 4;
constexpr int64_t low_bits_block_bytes(int64_t n_numbers, int64_t n_bits) {
    return n_numbers * output_tile * 2 + 32 * output_tile * n_bits / 8;
}
inline constexpr int64_t q4_0_block_bytes = low_bits_block_bytes(1, 4), q4_k_block_bytes = low_bits_block_bytes(2, 4),
                         q5_k_block_bytes = low_bits_block_bytes(2, 5), q6_k_block_bytes = low_bits_block_bytes(2, 6);

/// Products of 8-bit activations take so many inputs with one centre and one scale a token; a token's row is packed in
/// so many words for each of them.
inline constexpr int64_t i8_run = 128;
inline constexpr int64_t i8_run_words = 34;

/// What a product multiplies: activations are packed so, weights widened so.
enum class Operand { f32, i16, bytes, i8, bf16 };

/// Memory that a product asks for on its way, so that the next weights come while it multiplies: a line at every step
/// of its inner loop, `step` bytes apart; of its second output tile those `next` bytes on.
struct Ahead {
    const std::byte * memory;
    int64_t step;
    int64_t next;
};

/// Where a product leaves rows of outputs: y [n_rows][n_tiles][output_tile] = sums + bias + residual, either of which
/// may be absent.
struct Outputs {
    float * y;
    int64_t ld;
    const float * bias;
    const float * residual;
    int64_t ld_residual;
};

/// The outputs, or c where there are none yet.
inline Outputs outputs_or(const Outputs * outputs, float * c, int64_t ldc) {
    return outputs ? *outputs : Outputs{c, ldc, nullptr, nullptr, 0};
}

/// Those from `row` and `column` on.
inline Outputs rest_of(Outputs outputs, int64_t row, int64_t column = 0) {
    outputs.y += row * outputs.ld + column;
    if (outputs.bias) outputs.bias += column;
    if (outputs.residual) outputs.residual += row * outputs.ld_residual + column;
    return outputs;
}

/// Products with 8-bit activations for one quantised type.
struct I8Products {
    /// Blocks of a tile, in a form and a size up to that of 16-bit integers which the two functions agree on.
    void (*widen)(const uint8_t * blocks, int64_t n_blocks, int16_t * out) = nullptr;
    /// As KernelTable::product_i16 over n_runs runs of packed activations.
    void (*product)(int64_t n_rows, int64_t n_tiles, int64_t n_runs, const int32_t * a, const int16_t * b, int64_t next,
                    const float * output_scales, float * c, int64_t ldc, bool accumulate, const Outputs * outputs,
                    const Ahead & ahead) = nullptr;
};

struct KernelTable {
    int64_t token_tile;    // tokens of a product; a divisor of max_token_tile
    int64_t output_tiles;  // output tiles that a product takes at most, up to max_output_tiles
    int64_t input_block;   // inputs of weights widened to f32 that stay in the cache, half as many as of 16-bit
                           // integers; a multiple of integer_run, at most 1024 / output_tiles

    /// Rows x [n_rows][n_in], ld apart, n_rows <= token_tile, to [n_in][token_tile].
    void (*pack_f32)(const float * x, int64_t ld, int64_t n_rows, int64_t n_in, float * out);
    /// Rows x [n <= output_tile][n_in], ld apart, as weights of as many outputs: [n_in][output_tile], zeros beyond n.
    void (*tile_of_rows)(const float * x, int64_t ld, int64_t n, int64_t n_in, float * out);
    /// As pack_f32, to integers, two inputs a 32-bit word: [(n_in + 127) / 128][integer_run_words][token_tile], with
    /// zeros up to a multiple of integer_step. Absent as product_i16 is.
    void (*pack_i16)(const float * x, int64_t ld, int64_t n_rows, int64_t n_in, int32_t * out);

    /// Pairs of inputs [n_pairs][output_tile][2] to 14-bit integers, in units of output_scales. Absent as product_i16.
    void (*widen_bf16)(const uint16_t * x, int64_t n_pairs, const float * output_scales, int16_t * out);
    /// Blocks of a q8_0 tile to 14-bit integers [n_blocks * 16][output_tile][2].
    void (*widen_q8)(const uint8_t * blocks, int64_t n_blocks, int16_t * out);
    void (*widen_q4_0)(const uint8_t * blocks, int64_t n_blocks, int16_t * out);
    void (*widen_q4_k)(const uint8_t * blocks, int64_t n_blocks, int16_t * out);
    void (*widen_q5_k)(const uint8_t * blocks, int64_t n_blocks, int16_t * out);
    void (*widen_q6_k)(const uint8_t * blocks, int64_t n_blocks, int16_t * out);

    /// c [n_rows][n_tiles][output_tile] (+)= a b, with a [k][token_tile] and n_tiles of b [k][output_tile]; the tiles
    /// of b begin `next` floats apart, rows of b and c are ldb and ldc apart. With the last inputs there may be
    /// outputs, which take what would go to c.
    void (*product_f32)(int64_t n_rows, int64_t n_tiles, int64_t k, const float * a, const float * b, int64_t ldb,
                        int64_t next, float * c, int64_t ldc, bool accumulate, const Outputs * outputs,
                        const Ahead & ahead);
    /// The same with packed integers, times the runs' scales and output_scales [n_tiles][output_tile], which come with
    /// the last inputs, null before: sums are the same however inputs are cut into blocks. k is a multiple of
    /// integer_step.
    void (*product_i16)(int64_t n_rows, int64_t n_tiles, int64_t k, const int32_t * a, const int16_t * b, int64_t next,
                        const float * output_scales, float * c, int64_t ldc, bool accumulate, const Outputs * outputs,
                        const Ahead & ahead);

    /// y = activation(c + bias) + residual for n values; bias, activation and residual may be absent.
    void (*finish)(const float * c, int64_t n, const float * bias, const std::optional<Activation> & activation,
                   const float * residual, float * y);
    /// y = (x - mean) / sqrt(variance + eps) * weight + bias over n values.
    void (*layer_norm)(const float * x, int64_t n, float eps, const float * weight, const float * bias, float * y);
    /// x = exp(scale * (x - max)); returns the sum. x has room for n rounded up to 16, the rest becomes 0.
    float (*softmax)(float * x, int64_t n, float scale);

    // in place of product_i16 where 16-bit integers multiply no faster than f32
    /// Widened integers [n_pairs][output_tile][2] times output_scales to f32 [2 n_pairs][output_tile]. Tables that
    /// have it keep output_tiles * input_block <= 512: both forms of a block lie side by side.
    void (*float_i16)(const int16_t * x, int64_t n_pairs, const float * output_scales, float * out) = nullptr;
    /// Pairs of inputs [n_pairs][output_tile][2] to [2 n_pairs][output_tile].
    void (*float_bf16)(const uint16_t * x, int64_t n_pairs, float * out) = nullptr;

    // where bytes multiply faster, for q8_0: as those for integers, but with one scale a token, in token_scales, in an
    // order and a size up to [n_in / 2][token_tile] and that of widened integers, which the three agree on
    void (*pack_bytes)(const float * x, int64_t ld, int64_t n_rows, int64_t n_in, int32_t * out,
                       float * scales) = nullptr;
    void (*widen_bytes)(const uint8_t * blocks, int64_t n_blocks, int16_t * out) = nullptr;
    void (*product_bytes)(int64_t n_rows, int64_t n_tiles, int64_t k, const int32_t * a, const int16_t * b,
                          int64_t next, const float * output_scales, const float * token_scales, float * c, int64_t ldc,
                          bool accumulate, const Outputs * outputs, const Ahead & ahead) = nullptr;

    // where 8-bit integers multiply faster than 16-bit ones, for products that bear activations of 8 bits
    /// Rows x [n_rows][n_in], ld apart, n_rows <= token_tile, to [(n_in + 127) / 128][i8_run_words][token_tile].
    void (*pack_i8)(const float * x, int64_t ld, int64_t n_rows, int64_t n_in, int32_t * out) = nullptr;
    I8Products q8_0_i8 = {}, q4_0_i8 = {}, q4_k_i8 = {}, q5_k_i8 = {}, q6_k_i8 = {};

    // where bf16 weights are multiplied as they are, by activations rounded to bf16 (as PyTorch does), summed in f32
    /// Two inputs a word: [(n_in + 1) / 2][token_tile]; an odd last one is paired with 0.
    void (*pack_bf16)(const float * x, int64_t ld, int64_t n_rows, int64_t n_in, int32_t * out) = nullptr;
    /// As product_f32 over n_pairs pairs of b [n_pairs][output_tile][2]; `next` counts numbers of 16 bits.
    void (*product_bf16)(int64_t n_rows, int64_t n_tiles, int64_t n_pairs, const int32_t * a, const int16_t * b,
                         int64_t next, float * c, int64_t ldc, bool accumulate, const Outputs * outputs,
                         const Ahead & ahead) = nullptr;
    /// As tile_of_rows to [(n_in + 1) / 2][output_tile][2]; the same of the columns of x [n_in][n].
    void (*tile_of_rows_bf16)(const float * x, int64_t ld, int64_t n, int64_t n_in, int16_t * out) = nullptr;
    void (*tile_of_columns_bf16)(const float * x, int64_t ld, int64_t n, int64_t n_in, int16_t * out) = nullptr;
};

/// Throws unsupported where this build has no kernels for it: check isa_supported first.
const KernelTable & kernel_table(Isa isa);

extern const KernelTable scalar_kernels;
#if defined(__x86_64__) || defined(_M_X64)
extern const KernelTable avx2_kernels;
extern const KernelTable avx512_kernels;
extern const KernelTable avx512_vnni_kernels;
extern const KernelTable avx512_bf16_kernels;
#elif defined(__aarch64__) || defined(_M_ARM64)
extern const KernelTable neon_kernels;
extern const KernelTable neon_dotprod_kernels;
extern const KernelTable neon_i8mm_kernels;
#endif

}  // namespace altclip

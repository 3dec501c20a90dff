#include "kernels/packed_weight.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <iterator>
#include <numeric>
#include <utility>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/quantized_rows.h"

namespace altclip {

namespace {

/// Of 32 inputs; 0 where the type has no kernels.
int64_t bytes_of_block(ggml_type type) {
    switch (type) {
        case GGML_TYPE_Q8_0: return q8_block_bytes;
        case GGML_TYPE_Q6_K: return q6_k_block_bytes;
        case GGML_TYPE_Q5_K: return q5_k_block_bytes;
        case GGML_TYPE_Q4_K: return q4_k_block_bytes;
        case GGML_TYPE_Q4_0: return q4_0_block_bytes;
        default: return 0;
    }
}

size_t bytes_of_tile(ggml_type type, int64_t n_in) {
    if (ggml_is_quantized(type)) return static_cast<size_t>(n_in / 32 * bytes_of_block(type));
    if (type != GGML_TYPE_F32) n_in = (n_in + integer_step - 1) / integer_step * integer_step;
    return static_cast<size_t>(n_in * output_tile) * ggml_type_size(type);
}

int64_t tiles_of(int64_t n_out) {
    return (n_out + output_tile - 1) / output_tile;
}

/// To groups of n_group inputs by 16 outputs, of a multiple of n_step inputs in all. Sixteen inputs of a row at a time,
/// so that what is read comes in whole cache lines and what is written stays near.
template <int64_t n_group, int64_t n_step = n_group, typename T>
void pack_plain(const T * rows, int64_t n_in, int64_t n_rows, T * out) {
    const int64_t n_padded = (n_in + n_step - 1) / n_step * n_step;
    if (n_rows < output_tile || n_padded > n_in) std::fill_n(out, n_padded * output_tile, T{});
    for (int64_t first = 0; first < n_in; first += 16) {
        const int64_t last = std::min<int64_t>(first + 16, n_in);
        for (int64_t r = 0; r < n_rows; ++r) {
            for (int64_t i = first; i < last; ++i)
                out[(i / n_group * output_tile + r) * n_group + i % n_group] = rows[r * n_in + i];
        }
    }
}

/// Rounded to nearest, |x| below 2^22; unlike lrintf compilers make vectors of it.
int16_t nearest_integer(float x) {
    const float shifted = x + 0x1.8p23f;
    int32_t bits;
    std::memcpy(&bits, &shifted, sizeof(bits));
    return static_cast<int16_t>(bits);
}

/// Of n numbers of 16 bits, without their signs: then the bits have the numbers' order, what is no number above all.
uint16_t largest_bits(const uint16_t * x, int64_t n) {
    int most = 0;
    for (int64_t i = 0; i < n; ++i) most = std::max(most, x[i] & 0x7fff);
    return static_cast<uint16_t>(most);
}

/// What an integer stands for where `largest` becomes weight_max; NaN where that is no number, so that no output is
/// one.
float scale_of(float largest) {
    const float scale = largest / static_cast<float>(weight_max);
    if (scale < FLT_MIN) return 0;  // it has no inverse
    return std::isfinite(scale) ? scale : NAN;
}

/// 0 for a number, else NaN.
float no_number(float x) {
    return 0 * x;
}

/// Integers of 14 bits in place of half-precision numbers, which have eleven: weights of an eighth of their row's
/// largest and above keep all of them, smaller ones are rounded at the same place behind the point.
void pack_f16(const ggml_fp16_t * rows, int64_t n_in, int64_t n_rows, int16_t * out, float * scales) {
    std::vector<int16_t> integers(static_cast<size_t>(n_in * n_rows));
    int16_t * row = integers.data();
    for (int64_t r = 0; r < n_rows; ++r, rows += n_in, row += n_in) {
        scales[r] = scale_of(ggml_fp16_to_fp32(largest_bits(rows, n_in)));
        const float inverse = scales[r] > 0 ? 1 / scales[r] : 0.0f;
        for (int64_t i = 0; i < n_in; ++i) {
            const uint32_t bits = (rows[i] & 0x7fffu) << 13 | (rows[i] & 0x8000u) << 16;
            float value;
            std::memcpy(&value, &bits, sizeof(value));
            row[i] = nearest_integer(value * 0x1p112f * inverse);  // 2^112: what the exponents' biases differ by
        }
    }
    pack_plain<2, integer_step>(integers.data(), n_in, n_rows, out);
}

/// w = q d: with 128 times the row's largest d as 14 bits, w = (q m / 128) s, m = 128 d / s; that division is
/// widen_q8's. ggml's q end at -127; a -128 of others still fits.
void pack_q8(const Q8Block * rows, int64_t n_in, int64_t n_rows, std::byte * out, float * scales) {
    const int64_t n_blocks = n_in / q8_block;
    if (n_rows < output_tile) std::memset(out, 0, static_cast<size_t>(n_blocks * q8_block_bytes));
    for (int64_t r = 0; r < n_rows; ++r) {
        float largest = 0, nothing = 0;
        for (int64_t b = 0; b < n_blocks; ++b) {
            const float scale = ggml_fp16_to_fp32(rows[r * n_blocks + b].scale);
            largest = std::max(largest, std::fabs(scale));
            nothing += no_number(scale);
        }
        scales[r] = 128.0f * largest / static_cast<float>(weight_max) + nothing;
    }
    for (int64_t b = 0; b < n_blocks; ++b, out += q8_block_bytes) {
        auto * multipliers = reinterpret_cast<int16_t *>(out);
        auto * pairs = reinterpret_cast<uint16_t *>(out) + output_tile;
        for (int64_t r = 0; r < n_rows; ++r) {
            const Q8Block & block = rows[r * n_blocks + b];
            const float multiplier = scales[r] > 0 ? 128.0f * ggml_fp16_to_fp32(block.scale) / scales[r] : 0.0f;
            multipliers[r] = static_cast<int16_t>(std::lrintf(multiplier));
            uint16_t values[q8_block / 2];
            std::memcpy(values, block.values, sizeof(values));
            for (int64_t i = 0; i < q8_block / 2; ++i) pairs[i * output_tile + r] = values[i];
        }
    }
}

/// Modulo 2^16, as the kernels compute.
uint16_t rounded(float x) {
    return static_cast<uint16_t>(std::lrintf(x));
}

/// `n_bits` of each of a row's 32 inputs, the lowest if `shift` is 0, into the words that it shares with other rows.
template <int n_bits, int shift>
void place_bits(const uint8_t * q, int64_t row, uint16_t * words) {
    constexpr int n_pairs = 8 / n_bits;  // of a row's inputs, in a word
    const int64_t lane = row % 8 * 2;
    const int half = static_cast<int>(row / 8) * n_bits;
    for (int64_t word = 0; word < 16 / n_pairs; ++word, q += 2 * n_pairs) {
        for (int odd = 0; odd < 2; ++odd) {
            unsigned bits = 0;
            for (int pair = 0; pair < n_pairs; ++pair)
                bits |= (q[2 * pair + odd] >> shift & ((1U << n_bits) - 1)) << pair * 2 * n_bits;
            words[word * 16 + lane + odd] |= static_cast<uint16_t>(bits << half);
        }
    }
}

/// Each block's multipliers, as q8_0's for q at the top of a byte.
void pack_multipliers(ggml_type type, const std::vector<QuantizedBlock> & blocks, uint16_t * numbers, float * scale) {
    const int n_halves = type == GGML_TYPE_Q6_K ? 2 : 1;
    float largest = 0, nothing = 0;
    for (const QuantizedBlock & block : blocks) {
        largest = std::max({largest, std::fabs(block.scale[0]), std::fabs(block.scale[1])});
        nothing += no_number(block.scale[0]) + no_number(block.scale[1]);
    }
    *scale = (type == GGML_TYPE_Q6_K ? 32.0f : 8.0f) * largest / static_cast<float>(weight_max) + nothing;
    if (!(*scale > 0)) return;  // all numbers are zero
    const float unit = static_cast<float>(weight_max) / largest;
    for (const QuantizedBlock & block : blocks) {
        for (int half = 0; half < n_halves; ++half) numbers[half * output_tile] = rounded(unit * block.scale[half]);
        numbers += bytes_of_block(type) / 2;
    }
}

/// Each block's scale and minimum, with the largest |w| that a block's q could give as 14 bits, less what rounding
/// adds. The minimum takes what rounding the scale moves the block's weights by on average.
void pack_minimums(ggml_type type, const std::vector<QuantizedBlock> & blocks, uint16_t * numbers, float * scale) {
    const float largest_q = type == GGML_TYPE_Q5_K ? 31.0f : 15.0f;
    float largest = 0, nothing = 0;
    for (const QuantizedBlock & block : blocks) {
        const float ends[2] = {-block.minimum[0], largest_q * block.scale[0] - block.minimum[0]};
        largest = std::max({largest, std::fabs(ends[0]), std::fabs(ends[1])});
        nothing += no_number(block.scale[0]) + no_number(block.minimum[0]);
    }
    *scale = largest / static_cast<float>(weight_max - 4) + nothing;
    if (!(*scale > 0)) return;
    const float unit = static_cast<float>(low_bits_unit) / *scale;
    for (const QuantizedBlock & block : blocks) {
        const float exact = unit * block.scale[0], moved = std::nearbyint(exact) - exact;
        const int sum = std::accumulate(std::begin(block.q), std::end(block.q), 0);
        numbers[0] = rounded(exact);
        numbers[output_tile] = rounded(unit * block.minimum[0] + moved * static_cast<float>(sum) / 32);
        numbers += bytes_of_block(type) / 2;
    }
}

void pack_low_bits(ggml_type type, const std::byte * rows, int64_t n_in, int64_t n_rows, std::byte * out,
                   float * scales) {
    const int64_t n_blocks = n_in / 32, n_numbers = type == GGML_TYPE_Q4_0 ? 1 : 2;
    const int64_t n_words = bytes_of_block(type) / 2;
    auto * words = reinterpret_cast<uint16_t *>(out);
    std::fill_n(words, n_blocks * n_words, uint16_t{0});
    std::vector<QuantizedBlock> blocks(static_cast<size_t>(n_blocks));
    const bool with_minimum = type == GGML_TYPE_Q4_K || type == GGML_TYPE_Q5_K;
    const auto pack_numbers = with_minimum ? pack_minimums : pack_multipliers;
    for (int64_t r = 0; r < n_rows; ++r, rows += ggml_row_size(type, n_in)) {
        read_quantized_row(type, rows, n_in, blocks.data());
        pack_numbers(type, blocks, words + r, scales + r);
        uint16_t * low = words + n_numbers * output_tile;
        for (const QuantizedBlock & block : blocks) {
            place_bits<4, 0>(block.q, r, low);
            if (type == GGML_TYPE_Q5_K) place_bits<1, 4>(block.q, r, low + 8 * output_tile);
            if (type == GGML_TYPE_Q6_K) place_bits<2, 4>(block.q, r, low + 8 * output_tile);
            low += n_words;
        }
    }
}

}  // namespace

bool PackedWeight::supports(ggml_type type) {
    return type == GGML_TYPE_F32 || type == GGML_TYPE_F16 || type == GGML_TYPE_BF16 || bytes_of_block(type) > 0;
}

size_t PackedWeight::n_bytes(ggml_type type, int64_t n_in, int64_t n_out) {
    const size_t scales = has_scales(type) ? static_cast<size_t>(output_tile) * sizeof(float) : 0;
    return static_cast<size_t>(tiles_of(n_out)) * (bytes_of_tile(type, n_in) + scales);
}

PackedWeight::PackedWeight(ggml_type type, int64_t n_in, int64_t n_out, std::shared_ptr<std::byte> memory)
    : type_(type),
      n_in_(n_in),
      n_out_(n_out),
      n_tiles_(tiles_of(n_out)),
      tile_bytes_(bytes_of_tile(type, n_in)),
      memory_(std::move(memory)) {}

void PackedWeight::pack(const void * rows, int64_t first, int64_t last) {
    auto * scales = reinterpret_cast<float *>(memory_.get() + static_cast<size_t>(n_tiles_) * tile_bytes_);
    for (int64_t t = first; t < last; ++t) {
        const int64_t n_rows = std::min(output_tile, n_out_ - t * output_tile);
        const auto * source =
            static_cast<const std::byte *>(rows) + static_cast<size_t>(t * output_tile) * ggml_row_size(type_, n_in_);
        std::byte * target = memory_.get() + static_cast<size_t>(t) * tile_bytes_;
        if (has_scales(type_)) std::fill_n(scales + t * output_tile, output_tile, 0.0f);
        if (type_ == GGML_TYPE_Q8_0) {
            pack_q8(reinterpret_cast<const Q8Block *>(source), n_in_, n_rows, target, scales + t * output_tile);
        } else if (ggml_is_quantized(type_)) {
            pack_low_bits(type_, source, n_in_, n_rows, target, scales + t * output_tile);
        } else if (type_ == GGML_TYPE_F32) {
            pack_plain<1>(reinterpret_cast<const float *>(source), n_in_, n_rows, reinterpret_cast<float *>(target));
        } else if (type_ == GGML_TYPE_F16) {
            pack_f16(reinterpret_cast<const ggml_fp16_t *>(source), n_in_, n_rows, reinterpret_cast<int16_t *>(target),
                     scales + t * output_tile);
        } else {
            const auto * numbers = reinterpret_cast<const uint16_t *>(source);
            pack_plain<2, integer_step>(numbers, n_in_, n_rows, reinterpret_cast<uint16_t *>(target));
            for (int64_t r = 0; r < n_rows; ++r)
                scales[t * output_tile + r] = scale_of(ggml_bf16_to_fp32({largest_bits(numbers + r * n_in_, n_in_)}));
        }
    }
}

}  // namespace altclip

#include "kernels/packed_weight.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>

#include "kernels/kernels.h"
#include "kernels/quantized_rows.h"

namespace altclip {

namespace {

constexpr std::align_val_t alignment{64};

/// ggml's block_q8_0: a half-precision scale and 32 integers.
struct Q8Block {
    ggml_fp16_t scale;
    int8_t values[q8_block];
};
static_assert(sizeof(Q8Block) == 34, "ggml's q8_0 block");

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
    return static_cast<size_t>(n_in * output_tile) * ggml_type_size(type);
}

template <typename T>
void pack_plain(const T * rows, int64_t n_in, int64_t n_rows, T * out) {
    std::fill_n(out, n_in * output_tile, T{});
    for (int64_t r = 0; r < n_rows; ++r) {
        for (int64_t i = 0; i < n_in; ++i) out[i * output_tile + r] = rows[r * n_in + i];
    }
}

/// w = q d: with the row's largest d as 12 bits, w = (q m / 128) s, m = 128 d / s; that division is widen_q8's.
void pack_q8(const Q8Block * rows, int64_t n_in, int64_t n_rows, uint8_t * out, float * scales) {
    const int64_t n_blocks = n_in / q8_block;
    std::memset(out, 0, static_cast<size_t>(n_blocks * q8_block_bytes));
    for (int64_t r = 0; r < n_rows; ++r, rows += n_blocks) {
        float largest = 0;
        for (int64_t b = 0; b < n_blocks; ++b) largest = std::max(largest, std::fabs(ggml_fp16_to_fp32(rows[b].scale)));
        scales[r] = 127.0f * largest / static_cast<float>(weight_max);
        for (int64_t b = 0; b < n_blocks; ++b) {
            uint8_t * block = out + b * q8_block_bytes;
            const float multiplier = scales[r] > 0 ? 128.0f * ggml_fp16_to_fp32(rows[b].scale) / scales[r] : 0.0f;
            const auto rounded = static_cast<int16_t>(std::lrintf(multiplier));
            std::memcpy(block + r * 2, &rounded, sizeof(rounded));
            auto * q = reinterpret_cast<int8_t *>(block + output_tile * 2);
            for (int64_t i = 0; i < q8_block; ++i) q[i / 2 * 2 * output_tile + r * 2 + i % 2] = rows[b].values[i];
        }
    }
}

/// Modulo 2^16, as the kernels compute.
uint16_t rounded(float x) {
    return static_cast<uint16_t>(std::lrintf(x));
}

/// The bits of one row's 32 inputs, into the words that it shares with others.
void place_bits(const QuantizedBlock & block, int64_t row, int n_high, uint16_t * low, uint16_t * high) {
    for (int64_t i = 0; i < 32; ++i) {
        const int64_t vector = i / 2 * 2 + row / 8, lane = row % 8 * 2 + i % 2;
        low[vector / 4 * 16 + lane] |= static_cast<uint16_t>((block.q[i] & 15) << vector % 4 * 4);
        if (n_high == 0) continue;
        const int64_t n_vectors = 16 / n_high;
        high[vector / n_vectors * 16 + lane] |= static_cast<uint16_t>(block.q[i] >> 4 << vector % n_vectors * n_high);
    }
}

/// w = q scale - minimum, with the row's largest |w| as 12 bits (less one: the numbers are rounded) in units of
/// 1 / low_bits_unit. That rounding moves a weight by at most half an integer, q6_K one, beside the half of the
/// integers themselves: about 0.01 of a q4_K step of a row without outliers.
void pack_low_bits(ggml_type type, const std::byte * rows, int64_t n_in, int64_t n_rows, std::byte * out,
                   float * scales) {
    const int64_t n_blocks = n_in / 32, n_numbers = type == GGML_TYPE_Q4_0 ? 1 : 2;
    const int n_high = type == GGML_TYPE_Q6_K ? 2 : type == GGML_TYPE_Q5_K ? 1 : 0;
    const int64_t n_words = bytes_of_block(type) / 2;
    auto * words = reinterpret_cast<uint16_t *>(out);
    std::fill_n(words, n_blocks * n_words, uint16_t{0});
    std::vector<QuantizedBlock> blocks(static_cast<size_t>(n_blocks));
    for (int64_t r = 0; r < n_rows; ++r, rows += ggml_row_size(type, n_in)) {
        read_quantized_row(type, rows, n_in, blocks.data());
        float largest = 0;
        for (const QuantizedBlock & block : blocks) {
            for (int64_t i = 0; i < 32; ++i)
                largest = std::max(largest, std::fabs(block.q[i] * block.scale[i / 16] - block.minimum[i / 16]));
        }
        scales[r] = largest / static_cast<float>(weight_max - 1);
        const float unit = largest > 0 ? static_cast<float>(low_bits_unit) / scales[r] : 0.0f;
        uint16_t * numbers = words;
        for (const QuantizedBlock & block : blocks) {
            numbers[r] = rounded(unit * block.scale[0]);
            if (n_numbers == 2) {
                numbers[output_tile + r] = rounded(unit * (type == GGML_TYPE_Q6_K ? block.scale[1] : block.minimum[0]));
            }
            uint16_t * low = numbers + n_numbers * output_tile;
            place_bits(block, r, n_high, low, low + 8 * output_tile);
            numbers += n_words;
        }
    }
}

}  // namespace

void PackedWeight::Free::operator()(std::byte * p) const {
    ::operator delete(p, alignment);
}

bool PackedWeight::supports(ggml_type type) {
    return type == GGML_TYPE_F32 || type == GGML_TYPE_F16 || type == GGML_TYPE_BF16 || bytes_of_block(type) > 0;
}

PackedWeight::PackedWeight(ggml_type type, int64_t n_in, int64_t n_out)
    : type_(type),
      n_in_(n_in),
      n_out_(n_out),
      n_tiles_((n_out + output_tile - 1) / output_tile),
      tile_bytes_(bytes_of_tile(type, n_in)),
      data_(static_cast<std::byte *>(::operator new(static_cast<size_t>(n_tiles_) * tile_bytes_, alignment))),
      scales_(ggml_is_quantized(type) ? static_cast<size_t>(n_tiles_ * output_tile) : 0) {}

void PackedWeight::pack(const void * rows, int64_t first, int64_t last) {
    for (int64_t t = first; t < last; ++t) {
        const int64_t n_rows = std::min(output_tile, n_out_ - t * output_tile);
        const auto * source =
            static_cast<const std::byte *>(rows) + static_cast<size_t>(t * output_tile) * ggml_row_size(type_, n_in_);
        std::byte * target = data_.get() + static_cast<size_t>(t) * tile_bytes_;
        if (type_ == GGML_TYPE_Q8_0) {
            pack_q8(reinterpret_cast<const Q8Block *>(source), n_in_, n_rows, reinterpret_cast<uint8_t *>(target),
                    scales_.data() + t * output_tile);
        } else if (ggml_is_quantized(type_)) {
            pack_low_bits(type_, source, n_in_, n_rows, target, scales_.data() + t * output_tile);
        } else if (type_ == GGML_TYPE_F32) {
            pack_plain(reinterpret_cast<const float *>(source), n_in_, n_rows, reinterpret_cast<float *>(target));
        } else {
            pack_plain(reinterpret_cast<const uint16_t *>(source), n_in_, n_rows, reinterpret_cast<uint16_t *>(target));
        }
    }
}

}  // namespace altclip

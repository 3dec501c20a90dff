#include "kernels/quantized_rows.h"

namespace altclip {

namespace {

constexpr int64_t super_block = 256;

struct Q4Block {
    ggml_fp16_t scale;
    uint8_t low[16];  // inputs 0 to 15 in the low nibbles, 16 to 31 in the high ones
};
static_assert(sizeof(Q4Block) == 18, "ggml's q4_0 block");

struct Q4SuperBlock {
    ggml_fp16_t scale, minimum;
    uint8_t scales[12];
    uint8_t low[super_block / 2];
};
static_assert(sizeof(Q4SuperBlock) == 144, "ggml's q4_K block");

struct Q5SuperBlock {
    ggml_fp16_t scale, minimum;
    uint8_t scales[12];
    uint8_t high[super_block / 8];
    uint8_t low[super_block / 2];
};
static_assert(sizeof(Q5SuperBlock) == 176, "ggml's q5_K block");

struct Q6SuperBlock {
    uint8_t low[super_block / 2];
    uint8_t high[super_block / 4];
    int8_t scales[super_block / 16];
    ggml_fp16_t scale;
};
static_assert(sizeof(Q6SuperBlock) == 210, "ggml's q6_K block");

void read_block(const Q4Block & from, QuantizedBlock * to) {
    const float scale = ggml_fp16_to_fp32(from.scale);
    for (int i = 0; i < 16; ++i) {
        to->q[i] = from.low[i] & 15;
        to->q[i + 16] = from.low[i] >> 4;
    }
    for (int half = 0; half < 2; ++half) {
        to->scale[half] = scale;
        to->minimum[half] = 8 * scale;
    }
}

/// Scale and minimum of part j of 8, six bits each: of the last four the upper two lie above those of the first four.
template <typename SuperBlock>
void read_scales(const SuperBlock & from, int j, QuantizedBlock & to) {
    const uint8_t * s = from.scales;
    const int scale = j < 4 ? s[j] & 63 : (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
    const int minimum = j < 4 ? s[j + 4] & 63 : s[j + 4] >> 4 | (s[j] >> 6) << 4;
    for (int half = 0; half < 2; ++half) {
        to.scale[half] = ggml_fp16_to_fp32(from.scale) * static_cast<float>(scale);
        to.minimum[half] = ggml_fp16_to_fp32(from.minimum) * static_cast<float>(minimum);
    }
}

void read_block(const Q4SuperBlock & from, QuantizedBlock * to) {
    for (int j = 0; j < 8; ++j) {
        const uint8_t * low = from.low + j / 2 * 32;
        for (int i = 0; i < 32; ++i) to[j].q[i] = low[i] >> j % 2 * 4 & 15;
        read_scales(from, j, to[j]);
    }
}

void read_block(const Q5SuperBlock & from, QuantizedBlock * to) {
    for (int j = 0; j < 8; ++j) {
        const uint8_t * low = from.low + j / 2 * 32;
        for (int i = 0; i < 32; ++i) {
            to[j].q[i] = static_cast<uint8_t>((low[i] >> j % 2 * 4 & 15) | (from.high[i] >> j & 1) << 4);
        }
        read_scales(from, j, to[j]);
    }
}

void read_block(const Q6SuperBlock & from, QuantizedBlock * to) {
    for (int j = 0; j < 8; ++j) {
        const uint8_t * low = from.low + j / 4 * 64 + j % 2 * 32;
        const uint8_t * high = from.high + j / 4 * 32;
        for (int i = 0; i < 32; ++i) {
            to[j].q[i] = static_cast<uint8_t>((low[i] >> j % 4 / 2 * 4 & 15) | (high[i] >> j % 4 * 2 & 3) << 4);
        }
        for (int half = 0; half < 2; ++half) {
            to[j].scale[half] = ggml_fp16_to_fp32(from.scale) * from.scales[j * 2 + half];
            to[j].minimum[half] = 32 * to[j].scale[half];
        }
    }
}

template <typename Block>
void read_blocks(const void * row, int64_t n_in, int64_t block_inputs, QuantizedBlock * to) {
    const auto * blocks = static_cast<const Block *>(row);
    for (int64_t i = 0; i < n_in / block_inputs; ++i) read_block(blocks[i], to + i * block_inputs / 32);
}

}  // namespace

void read_quantized_row(ggml_type type, const void * row, int64_t n_in, QuantizedBlock * blocks) {
    switch (type) {
        case GGML_TYPE_Q4_0: return read_blocks<Q4Block>(row, n_in, 32, blocks);
        case GGML_TYPE_Q4_K: return read_blocks<Q4SuperBlock>(row, n_in, super_block, blocks);
        case GGML_TYPE_Q5_K: return read_blocks<Q5SuperBlock>(row, n_in, super_block, blocks);
        default: return read_blocks<Q6SuperBlock>(row, n_in, super_block, blocks);
    }
}

}  // namespace altclip

#include "convert/quantizer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/quantized_rows.h"

namespace altclip {

namespace {

constexpr int n_block = 32;

/// ggml's quantize_row_q8_0_ref in a form that compilers turn into vector instructions, five times as fast: magnitudes
/// are compared as integers, and roundf (halves away from zero) is a truncation after adding the float below one half.
void quantize_q8_0(const float * values, int64_t n_values, uint8_t * out) {
    constexpr float below_half = 0x1.fffffep-2f;
    for (int64_t i = 0; i < n_values; i += n_block, out += sizeof(Q8Block)) {
        const float * from = values + i;
        uint32_t bits[n_block];
        std::memcpy(bits, from, sizeof(bits));
        int32_t most = 0;
        for (const uint32_t one : bits) most = std::max(most, static_cast<int32_t>(one & 0x7fffffffu));
        float magnitude;
        std::memcpy(&magnitude, &most, sizeof(magnitude));
        const float scale = magnitude / 127.0f;
        if (scale < std::numeric_limits<float>::min()) {  // zero, or so little that 1 / scale may be infinite
            ggml_quantize_chunk(GGML_TYPE_Q8_0, from, out, 0, 1, n_block, nullptr);
            continue;
        }
        const float inverse = 1.0f / scale;
        Q8Block block;
        block.scale = ggml_fp32_to_fp16(scale);
        for (int j = 0; j < n_block; ++j) {
            const float scaled = from[j] * inverse;
            block.values[j] = static_cast<int8_t>(static_cast<int32_t>(scaled + std::copysign(below_half, scaled)));
        }
        std::memcpy(out, &block, sizeof(block));
    }
}

}  // namespace

void quantize_rows(ggml_type type, const float * values, int64_t n_rows, int64_t n_row, uint8_t * out) {
    if (type == GGML_TYPE_Q8_0) return quantize_q8_0(values, n_rows * n_row, out);
    ggml_quantize_chunk(type, values, out, 0, n_rows, n_row, nullptr);
}

}  // namespace altclip

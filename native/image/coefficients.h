// Which input pixels make an output pixel, and with what weights: Pillow's tables (libImaging/Resample.c).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace altclip {

/// Pillow's numbers.
enum class Resample { nearest = 0, lanczos = 1, bilinear = 2, bicubic = 3, box = 4, hamming = 5 };

/// Output pixels [begin, end) along one axis.
struct Span {
    int begin;
    int end;
    int size() const { return end - begin; }
};

/// Weights are fixed-point with this many fraction bits: 32 - 8 for the pixel - 2 for overshoot and sign.
constexpr int resample_precision_bits = 32 - 8 - 2;

/// Windows of the output pixels of a span, one axis.
struct ResampleTable {
    int stride = 0;                // weights kept a pixel
    std::vector<int> first;        // first input pixel of a window
    std::vector<int> length;       // input pixels of a window
    std::vector<int32_t> weights;  // [pixels, stride]

    const int32_t * weights_of(int pixel) const { return weights.data() + size_t(pixel) * stride; }
    /// Input pixels that the whole span reads.
    Span input() const;
};

/// The windows of output pixels `span` when `in_size` pixels become `out_size`. The filter is not nearest, the sizes
/// are positive, the span lies in [0, out_size) and is not empty.
ResampleTable resample_table(Resample filter, int in_size, int out_size, Span span);

/// The input pixels that output pixels `span` read, by any filter; for nearest, perhaps one more at either end.
Span input_span(Resample filter, int in_size, int out_size, Span span);

/// The input pixel that Pillow's nearest resize takes for each output pixel of `span`; -1 where it leaves zero.
std::vector<int> nearest_table(int in_size, int out_size, Span span);

}  // namespace altclip

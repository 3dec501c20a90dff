// Image.resize of Pillow 13 on RGB bytes, bit for bit, computing only the part of the result that is wanted.
#pragma once

#include <cstdint>
#include <vector>

#include "image/coefficients.h"
#include "kernels/isa.h"

namespace altclip {

/// Interleaved RGB bytes, row by row; a view.
struct RgbView {
    const uint8_t * data;
    int width;
    int height;
    const uint8_t * row(int y) const { return data + size_t(y) * width * 3; }
};

/// Rows `rows` and columns `columns` of the image resized to width x height: RGB bytes, row by row.
///
/// Sizes are positive; the spans are not empty and lie in the resized image. What is held between the two passes is no
/// larger than the input or, by a few rows, the result. Every `isa` that the machine supports gives the same bytes.
std::vector<uint8_t> resize(const RgbView & image, int width, int height, Resample filter, Span columns, Span rows,
                            Isa isa);

}  // namespace altclip

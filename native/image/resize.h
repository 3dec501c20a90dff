// Image.resize of Pillow 13 on RGB bytes, bit for bit, computing only the part of the result that is wanted.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <vector>

#include "image/coefficients.h"
#include "kernels/isa.h"

namespace altclip {

/// Columns and rows of an image.
struct Region {
    Span columns;
    Span rows;
};

/// A part of an image of width x height: the interleaved RGB bytes of a region, row by row; a view.
struct RgbView {
    const uint8_t * data;
    int width;
    int height;
    Region part;
    size_t stride() const { return size_t(part.columns.size()) * 3; }
    const uint8_t * pixel(int x, int y) const {
        return data + size_t(y - part.rows.begin) * stride() + size_t(x - part.columns.begin) * 3;
    }
};

/// Tells one thread how many rows of a view another has brought.
class ArrivingRows {
public:
    void set(int n_rows);
    void wait_for(int n_rows) const;

private:
    mutable std::mutex mutex_;
    mutable std::condition_variable changed_;
    int n_rows_ = 0;
};

/// What of an image of width x height resize() reads to make region `wanted` of out_width x out_height.
Region resize_input(int width, int height, int out_width, int out_height, Resample filter, const Region & wanted);

/// Region `wanted` of the image resized to width x height: RGB bytes, row by row.
///
/// Sizes are positive; the region is not empty and lies in the resized image; the view holds at least what
/// resize_input() says, its rows once they have arrived. What is held between the two passes is no larger than the
/// input or, by a few rows, the result. Every `isa` that the machine supports gives the same bytes.
std::vector<uint8_t> resize(const RgbView & image, const ArrivingRows & arriving, int width, int height,
                            Resample filter, const Region & wanted, Isa isa);

}  // namespace altclip

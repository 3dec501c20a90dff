// What CLIPImageProcessorPil of transformers does to an RGB image: resize, centre crop, rescale, normalise.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "image/coefficients.h"
#include "image/pixel_pool.h"
#include "image/resize.h"

namespace altclip {

struct ImageSize {
    int64_t height;
    int64_t width;
};

/// Mirrors NativePreprocessOptions of lib/native.ts; what is absent is not done.
struct PreprocessOptions {
    std::optional<ImageSize> resize;  // pixels of the resized image
    Resample resample = Resample::bicubic;
    std::optional<ImageSize> crop;  // centred; zeros where it is larger than the image
    std::optional<double> rescale_factor;
    std::optional<std::array<float, 3>> mean;  // with std or not at all
    std::optional<std::array<float, 3>> std;
};

/// float32 [3, height, width] where anything is rescaled or normalised, else the bytes [height, width, 3].
using PreprocessedImage = std::variant<std::vector<float>, std::vector<uint8_t>>;

/// Bytes that somebody else holds.
struct ByteView {
    const uint8_t * data;
    size_t size;
    ByteView(const uint8_t * data_, size_t size_) : data(data_), size(size_) {}
    ByteView(const std::vector<uint8_t> & bytes) : data(bytes.data()), size(bytes.size()) {}
};

/// A copy of what preprocessing with certain options reads of an image. It is made by one thread, which may touch the
/// image, while another already works on the rows that are there.
class RgbCopy {
public:
    /// `rgb` holds width * height * 3 bytes, row by row; nothing is copied yet. Throws invalid_argument for a size,
    /// count or number out of range.
    RgbCopy(ByteView rgb, int64_t width, int64_t height, const PreprocessOptions & options, PixelPool & pool);

    /// Copies all of it from the bytes that the constructor has seen. To be called once, whoever waits.
    void make();

    const RgbView & view() const { return view_; }
    const ArrivingRows & rows() const { return rows_; }
    const PreprocessOptions & options() const { return options_; }

private:
    const uint8_t * source_;
    PreprocessOptions options_;
    std::shared_ptr<uint8_t> memory_;
    RgbView view_;
    ArrivingRows rows_;
};

/// Bit for bit what Pillow 13 and NumPy give: resize and crop in bytes, float32(byte * factor) with the product in
/// double, then (x - mean) / std in float32. Waits for rows that have not come.
PreprocessedImage preprocess_image(const RgbCopy & copy);

/// Pillow's filter by its number. Throws invalid_argument for any other.
Resample resample_of(int64_t number);

}  // namespace altclip

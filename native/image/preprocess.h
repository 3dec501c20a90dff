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

/// A copy of a part of an image.
struct RgbPart {
    std::shared_ptr<const uint8_t> memory;
    RgbView view;
};

/// Copies what preprocessing with `options` reads of an image; `rgb` holds width * height * 3 bytes, row by row. Throws
/// invalid_argument for a size, count or number out of range.
RgbPart copy_needed(ByteView rgb, int64_t width, int64_t height, const PreprocessOptions & options, PixelPool & pool);

/// `image` comes from copy_needed() with the same options.
///
/// Bit for bit what Pillow 13 and NumPy give: resize and crop in bytes, float32(byte * factor) with the product in
/// double, then (x - mean) / std in float32.
PreprocessedImage preprocess_image(const RgbView & image, const PreprocessOptions & options);

/// Pillow's filter by its number. Throws invalid_argument for any other.
Resample resample_of(int64_t number);

}  // namespace altclip

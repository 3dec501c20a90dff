#include "image/preprocess.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "error.h"

namespace altclip {

namespace {

constexpr int64_t max_edge = 1LL << 24;            // a strip resized by its short edge becomes very long
constexpr int64_t max_pixels = 16383LL * 16383LL;  // of the result; sharp's limit too

/// One axis of the centre crop (transformers' image_transforms.center_crop).
struct CropAxis {
    Span source;  // pixels of the resized image
    int offset;   // of the first of them in the crop; zeros around
};

CropAxis crop_axis(int size, int crop) {
    if (size >= crop) {
        const int start = (size - crop) / 2;
        return {{start, start + crop}, 0};
    }
    return {{0, size}, (crop - size + 1) / 2};  // an odd padding has its larger half in front
}

/// Sizes on the way from an image to the result.
struct Geometry {
    int resized_width;
    int resized_height;
    int out_width;
    int out_height;
    CropAxis x;
    CropAxis y;

    Geometry(int width, int height, const PreprocessOptions & options)
        : resized_width(options.resize ? int(options.resize->width) : width),
          resized_height(options.resize ? int(options.resize->height) : height),
          out_width(options.crop ? int(options.crop->width) : resized_width),
          out_height(options.crop ? int(options.crop->height) : resized_height),
          x(crop_axis(resized_width, out_width)),
          y(crop_axis(resized_height, out_height)) {}
    Region wanted() const { return {x.source, y.source}; }
};

void check_size(const char * name, const ImageSize & size) {
    if (size.height < 1 || size.height > max_edge || size.width < 1 || size.width > max_edge) {
        fail(ErrorCode::invalid_argument, name, ": got ", size.width, "x", size.height,
             " (width x height), expected 1 to ", max_edge, " pixels a side");
    }
}

void check(ByteView rgb, const ImageSize & size, const PreprocessOptions & options) {
    check_size("image", size);
    if (int64_t(rgb.size) != size.width * size.height * 3) {
        fail(ErrorCode::invalid_argument, "image: got ", rgb.size, " bytes, expected ", size.width * size.height * 3,
             " for ", size.width, "x", size.height, " pixels of RGB");
    }
    if (options.resize) check_size("resize", *options.resize);
    if (options.crop) check_size("crop", *options.crop);
    const ImageSize result = options.crop ? *options.crop : options.resize.value_or(size);
    if (result.width * result.height > max_pixels) {
        fail(ErrorCode::invalid_argument, "image: the result would have ", result.width, "x", result.height,
             " pixels, expected at most ", max_pixels);
    }
    constexpr double max_factor = double(std::numeric_limits<float>::max()) / 255;
    if (options.rescale_factor && !(std::fabs(*options.rescale_factor) <= max_factor)) {
        fail(ErrorCode::invalid_argument, "rescaleFactor: got ", *options.rescale_factor,
             ", expected a number that keeps pixels in the range of float32");
    }
    if (options.mean.has_value() != options.std.has_value()) {
        fail(ErrorCode::invalid_argument, "mean and std: got one, expected both or neither");
    }
    if (!options.mean) return;
    for (int c = 0; c < 3; ++c) {
        const float mean = (*options.mean)[c], std = (*options.std)[c];
        if (!std::isfinite(mean)) fail(ErrorCode::invalid_argument, "mean: got ", mean, ", expected finite numbers");
        if (!std::isfinite(std) || std == 0) {
            fail(ErrorCode::invalid_argument, "std: got ", std, ", expected finite numbers other than 0");
        }
    }
}

/// Every byte's value as a float, for the three channels.
std::array<std::array<float, 256>, 3> float_table(const PreprocessOptions & options) {
    std::array<std::array<float, 256>, 3> table;
    for (int c = 0; c < 3; ++c) {
        for (int byte = 0; byte < 256; ++byte) {
            const float value = options.rescale_factor ? float(double(byte) * *options.rescale_factor) : float(byte);
            table[c][byte] = options.mean ? (value - (*options.mean)[c]) / (*options.std)[c] : value;
        }
    }
    return table;
}

}  // namespace

RgbCopy::RgbCopy(ByteView rgb, int64_t width, int64_t height, const PreprocessOptions & options, PixelPool & pool)
    : source_(rgb.data), options_(options) {
    check(rgb, {height, width}, options);
    const Geometry to(int(width), int(height), options);
    const Region needed =
        resize_input(int(width), int(height), to.resized_width, to.resized_height, options.resample, to.wanted());
    view_ = {nullptr, int(width), int(height), needed};
    memory_ = pool.take(view_.stride() * size_t(needed.rows.size()));
    view_.data = memory_.get();
}

void RgbCopy::make() {
    constexpr int n_at_once = 64;  // rows, before those who wait are told
    const auto & [columns, rows] = view_.part;
    const RgbView whole = {source_, view_.width, view_.height, {{0, view_.width}, {0, view_.height}}};
    uint8_t * row = memory_.get();
    for (int y = rows.begin; y < rows.end; ++y, row += view_.stride()) {
        std::memcpy(row, whole.pixel(columns.begin, y), view_.stride());
        const int n = y + 1 - rows.begin;
        if (n % n_at_once == 0 || n == rows.size()) rows_.set(n);
    }
}

PreprocessedImage preprocess_image(const RgbCopy & copy) {
    const RgbView & image = copy.view();
    const PreprocessOptions & options = copy.options();
    const Geometry sizes(image.width, image.height, options);
    const auto & [resized_width, resized_height, out_width, out_height, x, y] = sizes;
    const bool pads = out_width > resized_width || out_height > resized_height;
    const std::vector<uint8_t> part =
        resize(image, copy.rows(), resized_width, resized_height, options.resample, sizes.wanted(), best_isa());
    const size_t part_stride = size_t(x.source.size()) * 3;
    const size_t n_pixels = size_t(out_width) * out_height;

    if (!options.rescale_factor && !options.mean) {
        std::vector<uint8_t> out(n_pixels * 3);
        for (int row = 0; row < y.source.size(); ++row) {
            std::memcpy(&out[(size_t(y.offset + row) * out_width + x.offset) * 3], &part[row * part_stride],
                        part_stride);
        }
        return out;
    }
    const auto table = float_table(options);
    std::vector<float> out(n_pixels * 3);
    for (int c = 0; c < 3; ++c) {
        float * const plane = out.data() + c * n_pixels;
        if (pads) std::fill_n(plane, n_pixels, table[c][0]);  // the padding is black, and normalised like any pixel
        for (int row = 0; row < y.source.size(); ++row) {
            const uint8_t * in = &part[row * part_stride + c];
            float * const to = plane + size_t(y.offset + row) * out_width + x.offset;
            for (int column = 0; column < x.source.size(); ++column) to[column] = table[c][in[size_t(column) * 3]];
        }
    }
    return out;
}

Resample resample_of(int64_t number) {
    if (number < 0 || number > 5) {
        fail(ErrorCode::invalid_argument, "resample: got ", number,
             ", expected 0 nearest, 1 lanczos, 2 bilinear, 3 bicubic, 4 box or 5 hamming");
    }
    return Resample(number);
}

}  // namespace altclip

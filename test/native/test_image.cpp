// Resize, crop and normalise against Pillow (resize_cases.json) and against transformers' rules.
#include <cstdlib>
#include <fstream>
#include <future>
#include <nlohmann/json.hpp>

#include "check.h"
#include "image/preprocess.h"

using namespace altclip;

namespace {

std::vector<uint8_t> pixels(int64_t width, int64_t height, uint32_t seed) {
    std::vector<uint8_t> bytes(size_t(width * height * 3));
    for (uint8_t & byte : bytes) {
        seed = seed * 1664525u + 1013904223u;
        byte = uint8_t(seed >> 24);
    }
    return bytes;
}

std::string hex(const std::vector<uint8_t> & bytes) {
    std::string text;
    char pair[3];
    for (const uint8_t byte : bytes) {
        std::snprintf(pair, sizeof pair, "%02x", byte);
        text += pair;
    }
    return text;
}

std::string fnv1a(const std::vector<uint8_t> & bytes) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (const uint8_t byte : bytes) hash = (hash ^ byte) * 0x100000001b3u;
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
    return text;
}

std::vector<uint8_t> bytes_of(const PreprocessedImage & image) {
    return std::get<std::vector<uint8_t>>(image);
}
std::vector<float> floats_of(const PreprocessedImage & image) {
    return std::get<std::vector<float>>(image);
}

/// As the binding does it: nothing at hand but a copy of what is read, which comes while another thread computes.
PreprocessedImage preprocess_image(ByteView rgb, int64_t width, int64_t height, const PreprocessOptions & options) {
    static const auto pool = std::make_shared<PixelPool>();
    RgbCopy copy(rgb, width, height, options, *pool);
    auto result = std::async(std::launch::async, [&] { return altclip::preprocess_image(copy); });
    copy.make();
    return result.get();
}

nlohmann::json resize_cases() {
    std::ifstream file(ALTCLIP_FIXTURES "/images/resize_cases.json");
    return nlohmann::json::parse(file);
}

/// The centre crop of a whole image, pixel by pixel.
std::vector<uint8_t> crop_of(const std::vector<uint8_t> & rgb, int width, int height, int side) {
    std::vector<uint8_t> out(size_t(side) * side * 3, 0);
    const int left = width >= side ? (width - side) / 2 : -((side - width + 1) / 2);
    const int top = height >= side ? (height - side) / 2 : -((side - height + 1) / 2);
    for (int y = 0; y < side; ++y) {
        for (int x = 0; x < side; ++x) {
            const int from_x = x + left, from_y = y + top;
            if (from_x < 0 || from_y < 0 || from_x >= width || from_y >= height) continue;
            for (int c = 0; c < 3; ++c) {
                out[(size_t(y) * side + x) * 3 + c] = rgb[(size_t(from_y) * width + from_x) * 3 + c];
            }
        }
    }
    return out;
}

}  // namespace

TEST("resizes like Pillow, and a crop is a part of the whole") {
    int n_cases = 0;
    for (const auto & one : resize_cases()) {
        const int width = one.at("width"), height = one.at("height");
        const int out_width = one.at("out_width"), out_height = one.at("out_height");
        const auto rgb = pixels(width, height, one.at("seed"));
        PreprocessOptions options;
        options.resize = ImageSize{out_height, out_width};
        options.resample = resample_of(one.at("resample").get<int>());
        const auto whole = bytes_of(preprocess_image(rgb, width, height, options));
        const bool ok = one.contains("rgb") ? hex(whole) == one.at("rgb") : fnv1a(whole) == one.at("fnv1a");
        check::report(ok, __FILE__, __LINE__, "differs from Pillow: " + one.dump());
        for (const int side : {1, 2, 5, 16}) {
            options.crop = ImageSize{side, side};
            check::report(
                bytes_of(preprocess_image(rgb, width, height, options)) == crop_of(whole, out_width, out_height, side),
                __FILE__, __LINE__, "crop " + std::to_string(side) + " of " + one.dump());
        }
        ++n_cases;
    }
    CHECK(n_cases > 100);
}

TEST("every instruction set resizes like the scalar reference, on random shapes") {
    const int n_shapes = std::getenv("ALTCLIP_FULL") ? 20000 : 600;
    uint32_t state = 7;
    const auto random = [&](int low, int high) {
        state = state * 1664525u + 1013904223u;
        return low + int((state >> 8) % uint32_t(high - low + 1));
    };
    for (const Isa isa : supported_isas()) {
        for (int i = 0; i < n_shapes; ++i) {
            const int largest = i % 8 == 0 ? 900 : 60;
            const int longest = i % 8 == 1 ? 3000 : largest;  // windows and results longer than the kernels' blocks
            const int width = random(1, longest), height = random(1, largest);
            const int out_width = random(1, longest / 2), out_height = random(1, largest / 2);
            const Resample filter = resample_of(random(0, 5));
            const int left = random(0, out_width - 1), top = random(0, out_height - 1);
            const Span columns = {left, random(left + 1, out_width)}, rows = {top, random(top + 1, out_height)};
            auto rgb = pixels(width, height, uint32_t(i));
            if (i % 3 == 0) {
                for (uint8_t & byte : rgb) byte = byte & 1 ? 255 : 0;  // overshoots at every edge
            }
            rgb.shrink_to_fit();  // so that AddressSanitizer sees a load behind the last row
            const RgbView image = {rgb.data(), width, height, {{0, width}, {0, height}}};
            const Region wanted = {columns, rows};
            ArrivingRows all;
            all.set(height);
            const auto expected = resize(image, all, out_width, out_height, filter, wanted, Isa::scalar);
            check::report(resize(image, all, out_width, out_height, filter, wanted, isa) == expected, __FILE__,
                          __LINE__,
                          std::string(isa_name(isa)) + " differs: " + std::to_string(width) + "x" +
                              std::to_string(height) + " to " + std::to_string(out_width) + "x" +
                              std::to_string(out_height) + ", filter " + std::to_string(int(filter)));
        }
    }
}

TEST("rescales in double, normalises in float32, planes in order") {
    const std::vector<uint8_t> rgb = {0, 128, 255, 10, 20, 30};  // 2 x 1
    PreprocessOptions options;
    options.rescale_factor = 1.0 / 255;
    CHECK(
        floats_of(preprocess_image(rgb, 2, 1, options)) ==
        (std::vector<float>{0.0f, float(10 / 255.0), float(128 / 255.0), float(20 / 255.0), 1.0f, float(30 / 255.0)}));
    options.mean = {0.5f, 0.25f, 0.0f};
    options.std = {0.5f, 0.25f, 2.0f};
    const auto values = floats_of(preprocess_image(rgb, 2, 1, options));
    CHECK(values[0] == -1.0f);
    CHECK(values[4] == 0.5f);
    options.rescale_factor.reset();
    CHECK(floats_of(preprocess_image(rgb, 2, 1, options))[4] == 127.5f);
    options.crop = ImageSize{3, 4};  // the padding is normalised too
    CHECK(floats_of(preprocess_image(rgb, 2, 1, options))[0] == -1.0f);
}

TEST("strips of 1 x 10000 and 10000 x 1 come through the default preprocessing") {
    for (const bool tall : {true, false}) {
        const int64_t width = tall ? 1 : 10000, height = tall ? 10000 : 1;
        PreprocessOptions options;
        options.resize = tall ? ImageSize{2240000, 224} : ImageSize{224, 2240000};
        options.crop = ImageSize{224, 224};
        options.rescale_factor = 1.0 / 255;
        CHECK(floats_of(preprocess_image(pixels(width, height, 3), width, height, options)).size() == 3 * 224 * 224);
    }
}

TEST("a pool hands out the same memory again and keeps little of it") {
    const auto pool = std::make_shared<PixelPool>();
    constexpr size_t photo = size_t{30} << 20;
    auto first = pool->take(photo);
    const uint8_t * const memory = first.get();
    CHECK(pool->idle_bytes() == 0);
    auto second = pool->take(photo);
    CHECK(second.get() != memory);
    first.reset();
    CHECK(pool->take(photo - 5).get() == memory);
    second.reset();
    CHECK(pool->idle_bytes() == 2 * photo);
    auto large = pool->take(2 * PixelPool::max_idle_bytes);
    large.reset();
    CHECK(pool->idle_bytes() <= PixelPool::max_idle_bytes);
    auto small = pool->take(3);
    small.get()[2] = 1;
}

TEST("what is out of range is refused") {
    const auto rgb = pixels(4, 3, 1);
    const auto run = [&](const PreprocessOptions & options) { preprocess_image(rgb, 4, 3, options); };
    CHECK_ERROR(invalid_argument, "expected 1 to 16777216", preprocess_image({nullptr, 0}, 0, 3, {}));
    CHECK_ERROR(invalid_argument, "expected 1 to 16777216", preprocess_image(rgb, -4, -3, {}));
    CHECK_ERROR(invalid_argument, "expected 1 to 16777216", preprocess_image(rgb, INT64_MAX, INT64_MAX, {}));
    CHECK_ERROR(invalid_argument, "got 36 bytes, expected 48", preprocess_image(rgb, 4, 4, {}));
    CHECK_ERROR(invalid_argument, "resample: got 9", resample_of(9));
    CHECK_ERROR(invalid_argument, "resample: got -1", resample_of(-1));
    PreprocessOptions options;
    options.resize = ImageSize{0, 4};
    CHECK_ERROR(invalid_argument, "resize: got 4x0", run(options));
    options.resize = ImageSize{1 << 24, 1 << 24};
    CHECK_ERROR(invalid_argument, "the result would have", run(options));
    options.resize.reset();
    options.crop = ImageSize{1 << 25, 1};
    CHECK_ERROR(invalid_argument, "crop: got 1x33554432", run(options));
    options.crop.reset();
    options.mean = {0, 0, 0};
    CHECK_ERROR(invalid_argument, "mean and std", run(options));
    options.std = {1, 0, 1};
    CHECK_ERROR(invalid_argument, "std: got 0", run(options));
    options.std = {1, NAN, 1};
    CHECK_ERROR(invalid_argument, "std: got nan", run(options));
    options.std = {1, 1, 1};
    options.rescale_factor = INFINITY;
    CHECK_ERROR(invalid_argument, "rescaleFactor: got inf", run(options));
}

// preprocessImage: an image's RGB bytes and options in, pixel values or the cropped bytes out.
#include <cstring>
#include <memory>

#include "binding/async.h"
#include "binding/bindings.h"
#include "binding/values.h"
#include "image/preprocess.h"

namespace altclip {

namespace {

double number(const Napi::Value & value, const char * name) {
    if (!value.IsNumber()) fail(ErrorCode::invalid_argument, name, ": expected a number");
    return value.As<Napi::Number>().DoubleValue();
}

int64_t edge(const Napi::Value & value, const char * name) {
    const double pixels = number(value, name);
    if (!(pixels >= 0 && pixels <= 1e9)) fail(ErrorCode::invalid_argument, name, ": got ", pixels, " pixels");
    return int64_t(pixels);
}

std::optional<ImageSize> size_of(const Napi::Object & options, const char * name) {
    const Napi::Value value = options.Get(name);
    if (value.IsUndefined()) return std::nullopt;
    if (!value.IsObject()) fail(ErrorCode::invalid_argument, name, ": expected an object of height and width");
    const auto size = value.As<Napi::Object>();
    return ImageSize{integer(size, "height"), integer(size, "width")};
}

std::optional<std::array<float, 3>> channels_of(const Napi::Object & options, const char * name) {
    const Napi::Value value = options.Get(name);
    if (value.IsUndefined()) return std::nullopt;
    if (!value.IsArray() || value.As<Napi::Array>().Length() != 3) {
        fail(ErrorCode::invalid_argument, name, ": expected an array of 3 numbers");
    }
    std::array<float, 3> channels;
    for (uint32_t c = 0; c < 3; ++c) channels[c] = float(number(value.As<Napi::Array>().Get(c), name));
    return channels;
}

PreprocessOptions options_of(const Napi::Object & object) {
    PreprocessOptions options;
    options.resize = size_of(object, "resize");
    if (options.resize) options.resample = resample_of(integer(object.Get("resize").As<Napi::Object>(), "resample"));
    options.crop = size_of(object, "crop");
    if (const Napi::Value factor = object.Get("rescaleFactor"); !factor.IsUndefined()) {
        options.rescale_factor = number(factor, "rescaleFactor");
    }
    options.mean = channels_of(object, "mean");
    options.std = channels_of(object, "std");
    return options;
}

ByteView uint8_view(const Napi::Value & value, const char * name) {
    if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
        fail(ErrorCode::invalid_argument, name, ": expected a Uint8Array");
    }
    const auto array = value.As<Napi::Uint8Array>();
    return {array.Data(), array.ElementLength()};
}

Napi::Value to_js(Napi::Env env, const PreprocessedImage & image) {
    if (const auto * floats = std::get_if<std::vector<float>>(&image)) return to_float32_array(env, *floats);
    const auto & bytes = std::get<std::vector<uint8_t>>(image);
    Napi::Uint8Array array = Napi::Uint8Array::New(env, bytes.size());
    std::memcpy(array.Data(), bytes.data(), bytes.size());
    return array;
}

Napi::Value preprocess_image_js(const Napi::CallbackInfo & info) {
    return promised(info.Env(), [&] {
        const int64_t width = edge(info[1], "width");
        const int64_t height = edge(info[2], "height");
        const PreprocessOptions options = options_of(object_argument(info, 3, "options"));
        // copied: JavaScript may change or detach its buffer, and Node frees external ones before our threads end
        const auto copy = std::make_shared<RgbCopy>(uint8_view(info[0], "rgb"), width, height, options,
                                                    Environment::of(info.Env()).pixels());
        const Napi::Promise promise = run_async(
            info.Env(), [copy] { return preprocess_image(*copy); }, to_js);
        copy->make();
        return promise;
    });
}

}  // namespace

void init_image(Napi::Env env, Napi::Object exports) {
    exports.Set("preprocessImage", Napi::Function::New(env, preprocess_image_js, "preprocessImage"));
}

}  // namespace altclip

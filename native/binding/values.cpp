#include "binding/values.h"

#include <cmath>
#include <cstring>

#include "error.h"

namespace altclip {

namespace {

template <typename T>
std::vector<T> elements(const Napi::Value & value, napi_typedarray_type type, const char * name,
                        const char * expected) {
    if (value.IsUndefined()) return {};
    if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type) {
        fail(ErrorCode::invalid_argument, name, ": expected a ", expected);
    }
    const auto array = value.As<Napi::TypedArrayOf<T>>();
    return std::vector<T>(array.Data(), array.Data() + array.ElementLength());
}

}  // namespace

std::vector<float> float32_array(const Napi::Value & value, const char * name) {
    return elements<float>(value, napi_float32_array, name, "Float32Array");
}

std::vector<int64_t> int64_array(const Napi::Value & value, const char * name) {
    return elements<int64_t>(value, napi_bigint64_array, name, "BigInt64Array");
}

Napi::Float32Array to_float32_array(Napi::Env env, const std::vector<float> & values) {
    Napi::Float32Array array = Napi::Float32Array::New(env, values.size());
    if (!values.empty()) std::memcpy(array.Data(), values.data(), values.size() * sizeof(float));
    return array;
}

int64_t integer(const Napi::Object & object, const char * name) {
    constexpr double exact = 9007199254740992.0;  // 2^53
    const Napi::Value value = object.Get(name);
    const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
    if (!(std::fabs(number) <= exact) || number != std::floor(number))
        fail(ErrorCode::invalid_argument, name, ": expected an integer");
    return static_cast<int64_t>(number);
}

bool boolean(const Napi::Object & object, const char * name) {
    const Napi::Value value = object.Get(name);
    if (!value.IsBoolean()) fail(ErrorCode::invalid_argument, name, ": expected a boolean");
    return value.As<Napi::Boolean>().Value();
}

std::string text(const Napi::Object & object, const char * name) {
    const Napi::Value value = object.Get(name);
    if (!value.IsString()) fail(ErrorCode::invalid_argument, name, ": expected a string");
    return value.As<Napi::String>().Utf8Value();
}

Napi::Object object_argument(const Napi::CallbackInfo & info, size_t index, const char * name) {
    if (!info[index].IsObject()) fail(ErrorCode::invalid_argument, name, ": expected an object");
    return info[index].As<Napi::Object>();
}

std::string text_argument(const Napi::CallbackInfo & info, size_t index, const char * name) {
    if (!info[index].IsString()) fail(ErrorCode::invalid_argument, name, ": expected a string");
    return info[index].As<Napi::String>().Utf8Value();
}

}  // namespace altclip

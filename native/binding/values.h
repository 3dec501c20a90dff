// JavaScript values to the core's and back: typed arrays are copied both ways (Electron forbids external buffers).
#pragma once

#include <napi.h>

#include <string>
#include <vector>

namespace altclip {

/// The elements of a typed array; an empty vector for undefined. Throws invalid_argument, naming `name`, for another
/// type.
std::vector<float> float32_array(const Napi::Value & value, const char * name);
std::vector<int64_t> int64_array(const Napi::Value & value, const char * name);

Napi::Float32Array to_float32_array(Napi::Env env, const std::vector<float> & values);

/// Members of an options object; each throws invalid_argument, naming the member, where it is of another type.
int64_t integer(const Napi::Object & object, const char * name);  // exact
bool boolean(const Napi::Object & object, const char * name);
std::string text(const Napi::Object & object, const char * name);  // UTF-8
Napi::Object object_argument(const Napi::CallbackInfo & info, size_t index, const char * name);
std::string text_argument(const Napi::CallbackInfo & info, size_t index, const char * name);

}  // namespace altclip

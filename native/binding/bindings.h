// What each file of this folder adds to the addon's exports.
#pragma once

#include <napi.h>

#include "abort_flag.h"

namespace altclip {

void init_abort_flag(Napi::Env env, Napi::Object exports);
void init_model(Napi::Env env, Napi::Object exports);
void init_devices(Napi::Env env, Napi::Object exports);
void init_convert(Napi::Env env, Napi::Object exports);
void init_tokenizer(Napi::Env env, Napi::Object exports);
void init_image(Napi::Env env, Napi::Object exports);
void init_similarity(Napi::Env env, Napi::Object exports);

/// The core's flag behind a JavaScript AbortFlag; a fresh one, never set, where `value` is undefined.
AbortFlag abort_flag_of(const Napi::Value & value);

}  // namespace altclip

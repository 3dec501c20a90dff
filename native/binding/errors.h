// The core's exceptions as JavaScript errors: an Error with `code` and the mark `altclip`, which lib/errors.ts reads.
#pragma once

#include <napi.h>

#include <exception>

namespace altclip {

Napi::Value to_js_error(Napi::Env env, std::exception_ptr error);

/// Runs `body` for a synchronous call; what it throws becomes a thrown JavaScript error.
template <typename Body>
auto guarded(Napi::Env env, Body body) -> decltype(body()) {
    try {
        return body();
    } catch (const Napi::Error &) {
        throw;
    } catch (...) {
        throw Napi::Error(env, to_js_error(env, std::current_exception()));
    }
}

}  // namespace altclip

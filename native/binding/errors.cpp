#include "binding/errors.h"

#include <new>

#include "error.h"

namespace altclip {

namespace {

Napi::Value make(Napi::Env env, ErrorCode code, const char * message) {
    Napi::Object error = Napi::Error::New(env, message).Value();
    error.Set("code", error_code_name(code));
    error.Set("altclip", true);
    return error;
}

}  // namespace

Napi::Value to_js_error(Napi::Env env, std::exception_ptr error) {
    try {
        std::rethrow_exception(error);
    } catch (const Error & e) {
        return make(env, e.code(), e.what());
    } catch (const std::bad_alloc &) {
        return make(env, ErrorCode::out_of_memory, "out of memory");
    } catch (const std::exception & e) {
        return make(env, ErrorCode::internal, e.what());
    }
}

}  // namespace altclip

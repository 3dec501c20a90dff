// The addon's entry: state for this environment, then what each file of the folder exports.
#include <napi.h>

#include "binding/bindings.h"
#include "binding/environment.h"
#include "binding/errors.h"
#include "ggml.h"
#include "runtime/machine.h"

namespace altclip {

static Napi::Value system_info_js(const Napi::CallbackInfo & info) {
    return guarded(info.Env(), [&] { return Napi::String::New(info.Env(), system_info()); });
}

/// For process.exit, which runs no cleanup hooks on the main thread: ends every thread of this environment before the
/// C++ runtime destroys the statics that ggml computes with.
static void shut_down_js(const Napi::CallbackInfo & info) {
    Environment::of(info.Env()).shut_down();
}

static Napi::Object init(Napi::Env env, Napi::Object exports) {
    // ggml logs to stderr by default; what matters reaches the caller as an error
    ggml_log_set([](ggml_log_level, const char *, void *) {}, nullptr);
    env.SetInstanceData(new Environment(env));
    init_abort_flag(env, exports);
    init_model(env, exports);
    init_devices(env, exports);
    init_convert(env, exports);
    init_tokenizer(env, exports);
    init_image(env, exports);
    init_similarity(env, exports);
    exports.Set("shutDown", Napi::Function::New<shut_down_js>(env, "shutDown"));
    exports.Set("systemInfo", Napi::Function::New<system_info_js>(env, "systemInfo"));
    return exports;
}

}  // namespace altclip

static Napi::Object init_addon(Napi::Env env, Napi::Object exports) {
    return altclip::init(env, exports);
}
NODE_API_MODULE(altclip, init_addon)

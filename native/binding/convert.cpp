// convertModel, copyModel and readModelFile.
#include "convert/convert.h"

#include <string>
#include <utility>

#include "binding/async.h"
#include "binding/bindings.h"
#include "binding/model_file_js.h"
#include "binding/progress.h"
#include "binding/values.h"
#include "convert/copy_model.h"
#include "error.h"
#include "runtime/machine.h"

namespace altclip {

namespace {

ConvertOptions convert_options(const Napi::Object & object) {
    ConvertOptions options;
    const Napi::Value source = object.Get("source");
    if (source.IsString()) {
        options.source = source.As<Napi::String>().Utf8Value();
    } else {
        if (!source.IsObject()) fail(ErrorCode::invalid_argument, "source: expected a folder or { config, seed }");
        const Napi::Object random = source.As<Napi::Object>();
        options.source = RandomSource{text(random, "config"), static_cast<uint64_t>(integer(random, "seed"))};
    }
    options.output = text(object, "output");
    options.dtype = text(object, "dtype");
    if (!object.Get("name").IsUndefined()) options.name = text(object, "name");
    if (!object.Get("packed").IsUndefined()) options.packed = boolean(object, "packed");
    if (!object.Get("tower").IsUndefined()) options.tower = text(object, "tower");
    options.abort = abort_flag_of(object.Get("abort"));
    options.n_threads = n_default_threads();
    if (const Progress progress = progress_of(object.Get("onProgress"))) {
        options.on_progress = [progress](uint64_t done, uint64_t total) {
            progress(static_cast<double>(done), static_cast<double>(total));
        };
    }
    return options;
}

Napi::Value convert_model_js(const Napi::CallbackInfo & info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
        return run_async(
            info.Env(),
            [options = convert_options(object_argument(info, 0, "options"))] { return convert_model(options); },
            [](Napi::Env env, const ConvertReport & report) {
                Napi::Object object = Napi::Object::New(env);
                object.Set("dtype", report.dtype);
                object.Set("tensors", static_cast<double>(report.n_tensors));
                object.Set("bytes", static_cast<double>(report.n_bytes));
                return object;
            });
    });
}

CopyOptions copy_options(const Napi::Object & object) {
    CopyOptions options;
    options.source = text(object, "source");
    options.output = text(object, "output");
    if (!object.Get("tower").IsUndefined()) options.tower = text(object, "tower");
    options.abort = abort_flag_of(object.Get("abort"));
    return options;
}

Napi::Value copy_model_js(const Napi::CallbackInfo & info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
        return run_async(
            info.Env(),
            [options = copy_options(object_argument(info, 0, "options"))] {
                copy_model(options);
                return true;
            },
            [](Napi::Env env, bool) -> Napi::Value { return env.Undefined(); });
    });
}

Napi::Value read_model_file_js(const Napi::CallbackInfo & info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
        return run_async(
            info.Env(), [path = text_argument(info, 0, "file")] { return read_model_file(path); }, model_file_to_js);
    });
}

}  // namespace

void init_convert(Napi::Env env, Napi::Object exports) {
    exports.Set("convertModel", Napi::Function::New(env, convert_model_js, "convertModel"));
    exports.Set("copyModel", Napi::Function::New(env, copy_model_js, "copyModel"));
    exports.Set("readModelFile", Napi::Function::New(env, read_model_file_js, "readModelFile"));
}

}  // namespace altclip

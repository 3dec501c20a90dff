// similarity: the contrastive head, off the JavaScript thread.
#include "runtime/similarity.h"

#include "binding/async.h"
#include "binding/bindings.h"
#include "binding/values.h"

namespace altclip {

namespace {

Napi::Value similarity_async(const Napi::CallbackInfo & info) {
    return guarded(info.Env(), [&] {
        const auto number = [&](size_t i, const char * name) {
            if (!info[i].IsNumber()) fail(ErrorCode::invalid_argument, name, ": expected a number");
            return info[i].As<Napi::Number>().DoubleValue();
        };
        const double dim = number(2, "dim"), logit_scale = number(3, "logitScale");
        if (!(dim >= 1 && dim <= 65536)) fail(ErrorCode::invalid_argument, "dim: ", dim, ", expected 1 to 65536");
        const auto work = [text = float32_array(info[0], "text"), image = float32_array(info[1], "image"), dim,
                           logit_scale]() mutable {
            return similarity(std::move(text), std::move(image), static_cast<size_t>(dim),
                              static_cast<float>(logit_scale));
        };
        return run_async(info.Env(), work, [](Napi::Env env, const Similarity & result) {
            Napi::Object object = Napi::Object::New(env);
            object.Set("textEmbeds", to_float32_array(env, result.text_embeds));
            object.Set("imageEmbeds", to_float32_array(env, result.image_embeds));
            object.Set("logitsPerText", to_float32_array(env, result.logits_per_text));
            return object;
        });
    });
}

}  // namespace

void init_similarity(Napi::Env env, Napi::Object exports) {
    exports.Set("similarity", Napi::Function::New<similarity_async>(env, "similarity"));
}

}  // namespace altclip

// loadModel, and the Model it resolves with.
#include <algorithm>

#include "binding/async.h"
#include "binding/bindings.h"
#include "binding/hparams_js.h"
#include "binding/progress.h"
#include "binding/values.h"
#include "runtime/engine.h"

namespace altclip {

namespace {

constexpr const char * class_name = "Model";
constexpr napi_type_tag model_tag = {0x3f6b91d2c85e4a07, 0x9ce07b3d5a1f8264};

/// A loaded model on its way to JavaScript: what stays readable after dispose, and the engine.
struct Loaded {
    std::shared_ptr<Engine> engine;
    std::string name;
    std::string dtype;
    double logit_scale = 0;
    uint64_t n_bytes = 0;
};

Napi::Array to_arrays(Napi::Env env, const std::vector<std::vector<float>> & list) {
    Napi::Array array = Napi::Array::New(env, list.size());
    for (size_t i = 0; i < list.size(); ++i) array.Set(static_cast<uint32_t>(i), to_float32_array(env, list[i]));
    return array;
}

Napi::Object to_js(Napi::Env env, const TowerOutput & output, const Wanted & wanted) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("tokens", static_cast<double>(output.n_tokens));
    if (wanted.last_hidden_state) object.Set("lastHiddenState", to_float32_array(env, output.last_hidden_state));
    if (wanted.pooler_output) object.Set("poolerOutput", to_float32_array(env, output.pooler_output));
    if (wanted.features) object.Set("features", to_float32_array(env, output.features));
    if (wanted.hidden_states) object.Set("hiddenStates", to_arrays(env, output.hidden_states));
    if (wanted.attentions) object.Set("attentions", to_arrays(env, output.attentions));
    return object;
}

Wanted wanted_of(const Napi::Object & object) {
    return {boolean(object, "lastHiddenState"), boolean(object, "poolerOutput"), boolean(object, "features"),
            boolean(object, "hiddenStates"), boolean(object, "attentions")};
}

TextInput text_input(const Napi::Object & object) {
    TextInput input;
    input.n_rows = integer(object, "rows");
    input.n_columns = integer(object, "columns");
    input.ids = int64_array(object.Get("inputIds"), "inputIds");
    input.embeds = float32_array(object.Get("inputsEmbeds"), "inputsEmbeds");
    input.attention_mask = int64_array(object.Get("attentionMask"), "attentionMask");
    input.position_ids = int64_array(object.Get("positionIds"), "positionIds");
    input.token_type_ids = int64_array(object.Get("tokenTypeIds"), "tokenTypeIds");
    return input;
}

ImageInput image_input(const Napi::Object & object) {
    ImageInput input;
    input.n_images = integer(object, "images");
    input.n_channels = integer(object, "channels");
    input.height = integer(object, "height");
    input.width = integer(object, "width");
    input.pixel_values = float32_array(object.Get("pixelValues"), "pixelValues");
    input.interpolate_pos_encoding = boolean(object, "interpolatePosEncoding");
    return input;
}

class JsModel : public Napi::ObjectWrap<JsModel> {
public:
    /// From make() alone: JavaScript has no way to a Loaded.
    explicit JsModel(const Napi::CallbackInfo & info) : Napi::ObjectWrap<JsModel>(info) {
        if (info.Length() != 1 || !info[0].IsExternal()) throw Napi::TypeError::New(info.Env(), "use loadModel");
        loaded_ = std::move(*info[0].As<Napi::External<Loaded>>().Data());
        info.This().As<Napi::Object>().TypeTag(&model_tag);
        Napi::MemoryManagement::AdjustExternalMemory(info.Env(), static_cast<int64_t>(loaded_.n_bytes));
    }
    void Finalize(Napi::Env env) override { forget_memory(env); }

    static Napi::Function define(Napi::Env env) {
        return DefineClass(
            env, class_name,
            {InstanceAccessor<&JsModel::name>("name"), InstanceAccessor<&JsModel::dtype>("dtype"),
             InstanceAccessor<&JsModel::bytes>("bytes"), InstanceAccessor<&JsModel::device>("device"),
             InstanceAccessor<&JsModel::threads>("threads"), InstanceAccessor<&JsModel::logit_scale>("logitScale"),
             InstanceAccessor<&JsModel::hparams>("hparams"), InstanceMethod<&JsModel::encode_text>("encodeText"),
             InstanceMethod<&JsModel::encode_image>("encodeImage"), InstanceMethod<&JsModel::dispose>("dispose")});
    }
    static Napi::Object make(Napi::Env env, Loaded & loaded) {
        return Environment::of(env).constructor(class_name).New({Napi::External<Loaded>::New(env, &loaded)});
    }

private:
    Napi::Value name(const Napi::CallbackInfo & info) { return Napi::String::New(info.Env(), loaded_.name); }
    Napi::Value dtype(const Napi::CallbackInfo & info) { return Napi::String::New(info.Env(), loaded_.dtype); }
    Napi::Value bytes(const Napi::CallbackInfo & info) {
        return Napi::Number::New(info.Env(), static_cast<double>(loaded_.n_bytes));
    }
    Napi::Value device(const Napi::CallbackInfo & info) {
        return Napi::String::New(info.Env(), loaded_.engine->device());
    }
    Napi::Value threads(const Napi::CallbackInfo & info) {
        return Napi::Number::New(info.Env(), loaded_.engine->n_threads());
    }
    Napi::Value logit_scale(const Napi::CallbackInfo & info) {
        return Napi::Number::New(info.Env(), loaded_.logit_scale);
    }
    Napi::Value hparams(const Napi::CallbackInfo & info) {
        return hparams_to_js(info.Env(), loaded_.engine->hparams());
    }

    Napi::Value encode_text(const Napi::CallbackInfo & info) {
        return guarded(info.Env(), [&] { return submit(info, text_input(object_argument(info, 0, "input"))); });
    }
    Napi::Value encode_image(const Napi::CallbackInfo & info) {
        return guarded(info.Env(), [&] { return submit(info, image_input(object_argument(info, 0, "input"))); });
    }

    Napi::Value submit(const Napi::CallbackInfo & info, std::variant<TextInput, ImageInput> input) {
        const Wanted wanted = wanted_of(object_argument(info, 1, "wanted"));
        Job job;
        job.input = std::move(input);
        job.wanted = wanted;
        job.abort = abort_flag_of(info[2]);
        // the process stays alive until it is settled: from here on nothing throws past it
        const auto pending = std::make_shared<PendingPromise>(info.Env());
        job.failed = [pending](std::exception_ptr error) { pending->reject(error); };
        job.done = [pending, wanted](TowerOutput output) {
            const auto shared = std::make_shared<TowerOutput>(std::move(output));
            pending->resolve([shared, wanted](Napi::Env env) { return to_js(env, *shared, wanted); });
        };
        try {
            loaded_.engine->submit(std::move(job));
        } catch (...) {
            pending->reject(std::current_exception());
        }
        return pending->promise();
    }

    Napi::Value dispose(const Napi::CallbackInfo & info) {
        forget_memory(info.Env());
        const std::shared_ptr<Engine> engine = loaded_.engine;
        return run_async(
            info.Env(),
            [engine] {
                engine->shut_down();
                return true;
            },
            [](Napi::Env env, bool) { return env.Undefined(); });
    }

    void forget_memory(Napi::Env env) {
        Napi::MemoryManagement::AdjustExternalMemory(env, -static_cast<int64_t>(std::exchange(loaded_.n_bytes, 0)));
    }

    Loaded loaded_;
};

Napi::Value load_model_async(const Napi::CallbackInfo & info) {
    return guarded(info.Env(), [&] {
        const std::string path = text_argument(info, 0, "file");
        const Napi::Object object = object_argument(info, 1, "options");
        LoadOptions options;
        options.text = options.vision = false;
        const Napi::Value towers = object.Get("towers");
        if (!towers.IsArray()) fail(ErrorCode::invalid_argument, "towers: expected an array of 'text' and 'vision'");
        for (uint32_t i = 0; i < towers.As<Napi::Array>().Length(); ++i) {
            const std::string tower = towers.As<Napi::Array>().Get(i).ToString();
            if (tower != "text" && tower != "vision")
                fail(ErrorCode::invalid_argument, "towers: '", tower, "', expected 'text' or 'vision'");
            (tower == "text" ? options.text : options.vision) = true;
        }
        const std::string device = text(object, "device");
        const int64_t n_threads = integer(object, "threads");
        constexpr int64_t most = GGML_MAX_N_THREADS;
        if (n_threads < 0 || n_threads > most)
            fail(ErrorCode::invalid_argument, "threads: ", n_threads, ", expected 0 to ", most);
        options.abort = abort_flag_of(object.Get("abort"));
        if (const Progress progress = progress_of(object.Get("onProgress"))) {
            options.on_progress = [progress](float fraction) { progress(fraction, 1); };
        }
        const auto work = [path, options, device, n_threads] {
            Model model = load_model(path, options);
            Loaded loaded{nullptr, model.name, model.dtype, model.logit_scale, model.n_bytes};
            loaded.engine =
                std::make_shared<Engine>(std::move(model), device, static_cast<int>(n_threads), options.abort);
            return loaded;
        };
        return run_async(info.Env(), work, [](Napi::Env env, Loaded & loaded) {
            Environment::of(env).add(loaded.engine);
            return JsModel::make(env, loaded);
        });
    });
}

}  // namespace

void init_model(Napi::Env env, Napi::Object exports) {
    Environment::of(env).constructor(class_name) = Napi::Persistent(JsModel::define(env));
    exports.Set("loadModel", Napi::Function::New<load_model_async>(env, "loadModel"));
}

}  // namespace altclip

// loadTokenizer, and the Tokenizer it resolves with.
#include <array>
#include <cstring>
#include <memory>

#include "binding/async.h"
#include "binding/bindings.h"
#include "binding/values.h"
#include "error.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace altclip {

namespace {

constexpr const char * class_name = "Tokenizer";
constexpr napi_type_tag tokenizer_tag = {0x51c7e09a3b6d4f28, 0xb83d5e17c2f09a64};

using Shared = std::shared_ptr<const Tokenizer>;

template <typename Array, typename T>
Array to_typed_array(Napi::Env env, const std::vector<T> & values) {
    Array array = Array::New(env, values.size());
    if (!values.empty()) std::memcpy(array.Data(), values.data(), values.size() * sizeof(T));
    return array;
}

std::string string_of(const Napi::Value & value, const char * name) {
    if (!value.IsString()) fail(ErrorCode::invalid_argument, name, ": expected a string");
    // through UTF-16: lone surrogates become U+FFFD, one for one, so that offsets can be told in JavaScript's units
    std::array<char16_t, 512> units;  // holds most texts, which so take one call and no allocation
    size_t n = 0;
    const napi_status status = napi_get_value_string_utf16(value.Env(), value, units.data(), units.size(), &n);
    if (status == napi_ok && n + 1 < units.size()) return utf8_from_utf16({units.data(), n});
    return utf8_from_utf16(value.As<Napi::String>().Utf16Value());
}

bool flag_of(const Napi::Value & value, const char * name) {
    if (!value.IsBoolean()) fail(ErrorCode::invalid_argument, name, ": expected a boolean");
    return value.As<Napi::Boolean>().Value();
}

Napi::Array strings(Napi::Env env, const std::vector<std::string> & values) {
    Napi::Array array = Napi::Array::New(env, values.size());
    for (uint32_t i = 0; i < values.size(); ++i) array.Set(i, values[i]);
    return array;
}

Napi::Object special_tokens(Napi::Env env, const SpecialTokens & special) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("bos", special.bos);
    object.Set("eos", special.eos);
    object.Set("unk", special.unk);
    object.Set("sep", special.sep);
    object.Set("pad", special.pad);
    object.Set("cls", special.cls);
    object.Set("mask", special.mask);
    return object;
}

class JsTokenizer : public Napi::ObjectWrap<JsTokenizer> {
public:
    /// From make() alone, which gives it its tokenizer; one that JavaScript constructs has none and says so when used.
    explicit JsTokenizer(const Napi::CallbackInfo & info) : Napi::ObjectWrap<JsTokenizer>(info) {
        info.This().As<Napi::Object>().TypeTag(&tokenizer_tag);
    }
    void Finalize(Napi::Env env) override {
        if (tokenizer_) Napi::MemoryManagement::AdjustExternalMemory(env, -n_bytes());
    }

    static Napi::Function define(Napi::Env env) {
        return DefineClass(
            env, class_name,
            {InstanceMethod<&JsTokenizer::encode>("encode"), InstanceMethod<&JsTokenizer::encode_batch>("encodeBatch"),
             InstanceMethod<&JsTokenizer::id_to_token>("idToToken"),
             InstanceMethod<&JsTokenizer::token_to_id>("tokenToId"), InstanceMethod<&JsTokenizer::decode>("decode"),
             InstanceMethod<&JsTokenizer::write_json>("writeJson")});
    }
    static Napi::Object make(Napi::Env env, const Shared & tokenizer) {
        Napi::Object object = Environment::of(env).constructor(class_name).New({});
        JsTokenizer & self = *Unwrap(object);
        self.tokenizer_ = tokenizer;
        Napi::MemoryManagement::AdjustExternalMemory(env, self.n_bytes());
        const Vocabulary & vocabulary = tokenizer->vocabulary();
        // values, not accessors: nothing of the wrapper is reached through them
        const auto define_value = [&object](const char * name, const Napi::Value & value) {
            object.DefineProperty(Napi::PropertyDescriptor::Value(name, value, napi_enumerable));
        };
        define_value("vocabSize", Napi::Number::New(env, static_cast<double>(vocabulary.tokens.size())));
        define_value("specialTokens", special_tokens(env, vocabulary.special));
        const auto side = [env](bool left) { return Napi::String::New(env, left ? "left" : "right"); };
        define_value("paddingSide", side(vocabulary.pads_left));
        define_value("truncationSide", side(vocabulary.cuts_left));
        define_value("modelInputNames", strings(env, vocabulary.model_input_names));
        define_value("cleanUpTokenizationSpaces", Napi::Boolean::New(env, vocabulary.cleans_up));
        if (vocabulary.model_max_length) {
            define_value("modelMaxLength", Napi::Number::New(env, *vocabulary.model_max_length));
        }
        return object;
    }

private:
    int64_t n_bytes() const { return static_cast<int64_t>(tokenizer_->n_bytes()); }

    const Tokenizer & tokenizer(const Napi::CallbackInfo & info) const {
        if (!info.This().IsObject() || !info.This().As<Napi::Object>().CheckTypeTag(&tokenizer_tag) || !tokenizer_) {
            fail(ErrorCode::invalid_argument, "this is no tokenizer of loadTokenizer");
        }
        return *tokenizer_;
    }

    /// Offsets in UTF-16 code units.
    static void encode_text(const Tokenizer & tokenizer, const Napi::Value & text, bool with_offsets, Encoding & out) {
        const std::string utf8 = string_of(text, "text");
        const size_t n_offsets = out.offsets.size();
        tokenizer.encode(utf8, with_offsets, out);
        if (with_offsets) utf16_offsets(utf8, out.offsets, n_offsets);
    }

    static Napi::Object to_js(Napi::Env env, const Encoding & encoding, bool with_offsets) {
        Napi::Object object = Napi::Object::New(env);
        object.Set("ids", to_typed_array<Napi::Int32Array>(env, encoding.ids));
        if (with_offsets) object.Set("offsets", to_typed_array<Napi::Uint32Array>(env, encoding.offsets));
        return object;
    }

    Napi::Value encode(const Napi::CallbackInfo & info) {
        return guarded(info.Env(), [&]() -> Napi::Value {
            const bool with_offsets = flag_of(info[1], "withOffsets");
            Encoding encoding;
            encode_text(tokenizer(info), info[0], with_offsets, encoding);
            return to_js(info.Env(), encoding, with_offsets);
        });
    }

    Napi::Value encode_batch(const Napi::CallbackInfo & info) {
        return guarded(info.Env(), [&]() -> Napi::Value {
            const Tokenizer & self = tokenizer(info);
            const bool with_offsets = flag_of(info[1], "withOffsets");
            if (!info[0].IsArray()) fail(ErrorCode::invalid_argument, "texts: expected an array of strings");
            const auto texts = info[0].As<Napi::Array>();
            Encoding all;
            std::vector<uint32_t> ends;
            for (uint32_t i = 0; i < texts.Length(); ++i) {
                const Napi::HandleScope scope(info.Env());
                encode_text(self, texts.Get(i), with_offsets, all);
                ends.push_back(static_cast<uint32_t>(all.ids.size()));
            }
            Napi::Object object = to_js(info.Env(), all, with_offsets);
            object.Set("ends", to_typed_array<Napi::Uint32Array>(info.Env(), ends));
            return object;
        });
    }

    Napi::Value id_to_token(const Napi::CallbackInfo & info) {
        return guarded(info.Env(), [&]() -> Napi::Value {
            const auto & tokens = tokenizer(info).vocabulary().tokens;
            if (!info[0].IsNumber()) fail(ErrorCode::invalid_argument, "id: expected a number");
            const double id = info[0].As<Napi::Number>().DoubleValue();
            const bool exists = id >= 0 && id < static_cast<double>(tokens.size()) &&
                                id == static_cast<double>(static_cast<size_t>(id));
            if (!exists) return info.Env().Undefined();
            const std::string_view token = tokens[static_cast<size_t>(id)];
            return Napi::String::New(info.Env(), token.data(), token.size());
        });
    }

    Napi::Value token_to_id(const Napi::CallbackInfo & info) {
        return guarded(info.Env(), [&]() -> Napi::Value {
            const int32_t id = tokenizer(info).find(string_of(info[0], "token"));
            return id < 0 ? info.Env().Undefined() : Napi::Number::New(info.Env(), id);
        });
    }

    Napi::Value decode(const Napi::CallbackInfo & info) {
        return guarded(info.Env(), [&]() -> Napi::Value {
            const Tokenizer & self = tokenizer(info);
            if (!info[0].IsTypedArray() || info[0].As<Napi::TypedArray>().TypedArrayType() != napi_int32_array) {
                fail(ErrorCode::invalid_argument, "ids: expected an Int32Array");
            }
            const auto array = info[0].As<Napi::Int32Array>();
            const std::vector<int32_t> ids(array.Data(), array.Data() + array.ElementLength());
            return Napi::String::New(info.Env(), self.decode(ids, flag_of(info[1], "skipSpecialTokens")));
        });
    }

    Napi::Value write_json(const Napi::CallbackInfo & info) {
        return guarded(info.Env(), [&]() -> Napi::Value {
            tokenizer(info);
            return run_async(
                info.Env(),
                [self = tokenizer_, file = text_argument(info, 0, "file")] {
                    write_tokenizer_json(self->vocabulary(), file);
                    return true;
                },
                [](Napi::Env env, bool) -> Napi::Value { return env.Undefined(); });
        });
    }

    Shared tokenizer_;
};

Napi::Value load_tokenizer(const Napi::CallbackInfo & info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
        return run_async(
            info.Env(),
            [file = text_argument(info, 0, "file")]() -> Shared {
                return std::make_shared<const Tokenizer>(read_vocabulary(file), file);
            },
            [](Napi::Env env, const Shared & tokenizer) -> Napi::Value { return JsTokenizer::make(env, tokenizer); });
    });
}

}  // namespace

void init_tokenizer(Napi::Env env, Napi::Object exports) {
    Environment::of(env).constructor(class_name) = Napi::Persistent(JsTokenizer::define(env));
    exports.Set("loadTokenizer", Napi::Function::New(env, load_tokenizer, "loadTokenizer"));
}

}  // namespace altclip

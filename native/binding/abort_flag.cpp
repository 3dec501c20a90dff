// AbortFlag: what lib/abort.ts makes of an AbortSignal; native threads poll the core's flag behind it.
#include "abort_flag.h"

#include "binding/bindings.h"
#include "binding/environment.h"

namespace altclip {

namespace {

// an addon for GPUs may be loaded beside this one: neither takes the other's flags
constexpr napi_type_tag abort_flag_tag = {0x8d1f3a5c7b9e4602, 0xa6c4e2f08b1d3957 + ALTCLIP_BACKENDS};

class JsAbortFlag : public Napi::ObjectWrap<JsAbortFlag> {
public:
    explicit JsAbortFlag(const Napi::CallbackInfo & info) : Napi::ObjectWrap<JsAbortFlag>(info) {
        info.This().As<Napi::Object>().TypeTag(&abort_flag_tag);
    }
    static Napi::Function define(Napi::Env env) {
        return DefineClass(env, "AbortFlag", {InstanceMethod<&JsAbortFlag::abort>("abort")});
    }
    const AbortFlag & flag() const { return flag_; }

private:
    void abort(const Napi::CallbackInfo &) { flag_.abort(); }

    AbortFlag flag_;
};

}  // namespace

void init_abort_flag(Napi::Env env, Napi::Object exports) {
    exports.Set("AbortFlag", JsAbortFlag::define(env));
}

AbortFlag abort_flag_of(const Napi::Value & value) {
    AbortFlag flag;
    if (!value.IsUndefined()) {
        if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&abort_flag_tag)) {
            fail(ErrorCode::invalid_argument, "abort: expected an AbortFlag of this addon");
        }
        flag = JsAbortFlag::Unwrap(value.As<Napi::Object>())->flag();
    }
    Environment::of(value.Env()).add(flag);
    return flag;
}

}  // namespace altclip

// listDevices: the GPUs that this addon computes with.
#include "runtime/device.h"

#include "binding/async.h"
#include "binding/bindings.h"

namespace altclip {

namespace {

Napi::Value to_js(Napi::Env env, const std::vector<Device> & devices) {
    Napi::Array array = Napi::Array::New(env, devices.size());
    for (uint32_t i = 0; i < array.Length(); ++i) {
        const Device & device = devices[i];
        Napi::Object object = Napi::Object::New(env);
        object.Set("name", device.name);
        object.Set("backend", device.backend);
        object.Set("description", device.description);
        object.Set("type", device_kind_name(device.kind));
        object.Set("memoryFree", static_cast<double>(device.memory_free));
        object.Set("memoryTotal", static_cast<double>(device.memory_total));
        array.Set(i, object);
    }
    return array;
}

/// Off the JavaScript thread: starting a driver takes up to seconds.
Napi::Value list_devices_async(const Napi::CallbackInfo & info) {
    return guarded(info.Env(), [&] { return run_async(info.Env(), list_devices, to_js); });
}

}  // namespace

void init_devices(Napi::Env env, Napi::Object exports) {
    exports.Set("listDevices", Napi::Function::New<list_devices_async>(env, "listDevices"));
}

}  // namespace altclip

#include "runtime/device.h"

#include <algorithm>
#include <cctype>
#include <exception>
#include <map>

#include "error.h"
#include "runtime/device_failure.h"

namespace altclip {

namespace {

std::string lower_case(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
    return text;
}

/// Our name for one of ggml's backends.
std::string backend_name(ggml_backend_reg_t backend) {
    const std::string name = lower_case(ggml_backend_reg_name(backend));
    return name == "mtl" ? "metal" : name;
}

bool is_gpu(ggml_backend_dev_t device) {
    const enum ggml_backend_dev_type type = ggml_backend_dev_type(device);
    return type == GGML_BACKEND_DEVICE_TYPE_GPU || type == GGML_BACKEND_DEVICE_TYPE_IGPU;
}

/// ggml calls a driver that computes on the CPU a GPU like any other; only its name tells.
bool is_software(const std::string & description) {
    const std::string text = lower_case(description);
    for (const char * name : {"llvmpipe", "lavapipe", "swiftshader", "basic render"}) {
        if (text.find(name) != std::string::npos) return true;
    }
    return false;
}

}  // namespace

const char * device_kind_name(DeviceKind kind) {
    switch (kind) {
        case DeviceKind::discrete: return "discrete";
        case DeviceKind::integrated: return "integrated";
        case DeviceKind::software: return "software";
    }
    return "?";
}

std::vector<Device> list_devices() {
    const ThrowingChecks throwing;  // CUDA fails where another process has all of a GPU's memory
    std::vector<Device> devices;
    std::map<std::string, int> n_of_backend;
    for (size_t i = 0; i < ggml_backend_dev_count(); ++i) {
        ggml_backend_dev_t handle = ggml_backend_dev_get(i);
        if (!is_gpu(handle)) continue;
        Device device;
        device.handle = handle;
        device.backend = backend_name(ggml_backend_dev_backend_reg(handle));
        device.name = device.backend + ":" + std::to_string(n_of_backend[device.backend]++);
        try {
            device.description = ggml_backend_dev_description(handle);
            size_t free = 0, total = 0;
            ggml_backend_dev_memory(handle, &free, &total);
            device.memory_free = free;
            device.memory_total = total;
        } catch (const std::exception &) {
            continue;  // its number stays taken
        }
        const bool integrated = ggml_backend_dev_type(handle) == GGML_BACKEND_DEVICE_TYPE_IGPU;
        device.kind = is_software(device.description) ? DeviceKind::software
                      : integrated                    ? DeviceKind::integrated
                                                      : DeviceKind::discrete;
        devices.push_back(device);
    }
    return devices;
}

Device find_device(const std::string & name) {
    const std::vector<Device> devices = list_devices();
    std::string known = "cpu";
    for (const Device & device : devices) {
        if (device.name == name) return device;
        known += ", " + device.name;
    }
    fail(ErrorCode::unsupported, "device: there is no '", name, "' on this machine, only ", known);
}

}  // namespace altclip

#include "runtime/device_start.h"

#include <cstdlib>
#include <exception>
#include <map>
#include <mutex>

#include "error.h"
#include "runtime/device_failure.h"
#include "runtime/vulkan_precision.h"

namespace altclip {

ggml_backend_ptr start_device(const Device & device, bool in_f32) {
    // ggml's devices are the process's: they stay as they were first started, and ggml lets one thread alone do that
    static std::mutex starting;
    static std::map<std::string, bool> started_in_f32;
    const std::lock_guard<std::mutex> lock(starting);

    const bool asked = in_f32 || std::getenv("GGML_VK_DISABLE_F16");
    const bool is_in_f32 = started_in_f32.emplace(device.name, asked).first->second;
    if (device.backend == "vulkan" && in_f32 && !is_in_f32) {
        fail(ErrorCode::unsupported, "device: ", device.name, " (", device.description,
             ") multiplies in f16 since a model of another dtype started it, which f32 weights do not bear: load the ",
             "f32 model first, or in another process, or set GGML_VK_DISABLE_F16=1");
    }
    ggml_backend_ptr backend;
    vulkan_in_f32 = is_in_f32;
    try {
        const ThrowingChecks throwing;
        backend.reset(ggml_backend_dev_init(device.handle, nullptr));
    } catch (const std::exception & error) {
        fail(ErrorCode::unsupported, "device: ", device.name, " (", device.description,
             ") does not start: ", error.what());
    }
    if (!backend) fail(ErrorCode::unsupported, "device: ", device.name, " (", device.description, ") does not start");
    return backend;
}

}  // namespace altclip

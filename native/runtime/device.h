// The GPUs that this build's backends (Vulkan, CUDA, Metal) find on the machine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ggml-backend.h"

namespace altclip {

enum class DeviceKind { discrete, integrated, software };

struct Device {
    std::string name;         // "vulkan:0": the backend, and the device's place among the backend's
    std::string backend;      // "vulkan", "cuda", "metal"
    std::string description;  // the maker's name for it
    DeviceKind kind = DeviceKind::discrete;
    uint64_t memory_free = 0;
    uint64_t memory_total = 0;
    ggml_backend_dev_t handle = nullptr;  // ggml's, for the life of the process
};

/// "discrete", "integrated" or "software" (a CPU that poses as a GPU: Mesa's llvmpipe, SwiftShader).
const char * device_kind_name(DeviceKind kind);

/// Every GPU of every backend, in the backends' own order; the first call starts their drivers. A device that fails to
/// tell about itself is left out.
std::vector<Device> list_devices();

/// Throws unsupported where there is no such device, naming those there are.
Device find_device(const std::string & name);

}  // namespace altclip

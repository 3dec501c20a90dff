// Starts a device's driver.
#pragma once

#include "ggml-cpp.h"
#include "runtime/device.h"

namespace altclip {

/// `in_f32`: products must not round f32 to less. On Vulkan whoever starts a device first decides, for as long as the
/// process lives; where that was a model with other weights, f32 ones are unsupported. Throws unsupported with the
/// driver's reason where it does not start.
ggml_backend_ptr start_device(const Device & device, bool in_f32);

}  // namespace altclip

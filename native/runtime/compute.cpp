#include "runtime/compute.h"

#include "error.h"
#include "runtime/cpu_compute.h"
#include "runtime/device.h"
#include "runtime/device_compute.h"

namespace altclip {

std::unique_ptr<Compute> make_compute(const std::string & device, int n_threads, bool in_f32) {
    if (device == "cpu") return std::make_unique<CpuCompute>(n_threads);
    return std::make_unique<DeviceCompute>(find_device(device), n_threads, in_f32);
}

void Compute::expect_rows(const Model & model, const std::string & reader) {
    if (!model.packed) return;
    fail(ErrorCode::unsupported, model.path, ": its weights are packed for altclip's CPU kernels, which ", reader,
         " cannot read; convert the checkpoint without 'packed'");
}

}  // namespace altclip

#include "runtime/machine.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "error.h"
#include "ggml-cpu.h"
#include "ggml.h"
#include "kernels/isa.h"
#include "runtime/cpu_quota.h"

#ifdef _WIN32
#define NOMINMAX
#include <windows.h>
#else
#include <unistd.h>
#endif
#ifdef __linux__
#include <sched.h>
#endif

namespace altclip {

namespace {

/// Bytes of physical memory.
uint64_t total_memory() {
#ifdef _WIN32
    MEMORYSTATUSEX status;
    status.dwLength = sizeof(status);
    return GlobalMemoryStatusEx(&status) ? status.ullTotalPhys : UINT64_MAX;
#else
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    return pages > 0 && page > 0 ? static_cast<uint64_t>(pages) * static_cast<uint64_t>(page) : UINT64_MAX;
#endif
}

}  // namespace

int n_physical_cores() {
    const int n_logical = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
#ifdef __linux__
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return n_logical;
    std::set<std::pair<int, int>> cores;  // package, core
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (!CPU_ISSET(cpu, &allowed)) continue;
        const auto number = [cpu](const char * name) {
            int value = -1;
            std::ifstream("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/" + name) >> value;
            return value;
        };
        const int core = number("core_id");
        cores.emplace(number("physical_package_id"), core >= 0 ? core : cpu);
    }
    return std::max(1, static_cast<int>(cores.size()));
#else
    return n_logical;
#endif
}

int n_default_threads(const std::string & root) {
    const int n_cores = n_physical_cores();
    const std::optional<double> quota = cpu_quota(root);
    return quota && *quota < n_cores ? std::max(1, static_cast<int>(std::lround(*quota))) : n_cores;
}

void check_memory(double n_bytes, const char * what) {
    const double limit = static_cast<double>(total_memory()) * 0.75;
    if (n_bytes <= limit) return;
    constexpr double mb = 1 << 20;
    fail(ErrorCode::out_of_memory, what, " needs ", std::llround(n_bytes / mb), " MB of memory, at most ",
         std::llround(limit / mb),
         " MB are allowed on this machine; pass smaller batches or pictures, or ask for fewer outputs");
}

void require_cpu() {
#if defined(__x86_64__) || defined(_M_X64)
    // what ggml's CPU backend is compiled for; not __builtin_cpu_supports, which always denies in what Zig builds
    if (!isa_supported(Isa::avx2))
        fail(
            ErrorCode::unsupported,
            "this CPU, or its operating system, lacks one of AVX2, FMA, F16C and BMI2, which altclip needs on x86 (any "
            "CPU since 2013 or so has them)");
#endif
}

std::string system_info() {
    std::string text = std::string("ggml ") + ggml_version();
    const std::pair<const char *, int> features[] = {
        {"AVX2", ggml_cpu_has_avx2()},        {"FMA", ggml_cpu_has_fma()},
        {"F16C", ggml_cpu_has_f16c()},        {"AVX512", ggml_cpu_has_avx512()},
        {"NEON", ggml_cpu_has_neon()},        {"DOTPROD", ggml_cpu_has_dotprod()},
        {"I8MM", ggml_cpu_has_matmul_int8()}, {"LLAMAFILE", ggml_cpu_has_llamafile()},
    };
    for (const auto & [name, present] : features) {
        if (present) text += std::string(" ") + name;
    }
    text += std::string(", kernels ") + isa_name(best_isa()) + " (of";
    for (const Isa isa : supported_isas()) text += std::string(isa == Isa::scalar ? " " : ", ") + isa_name(isa);
    return text + ")";
}

}  // namespace altclip

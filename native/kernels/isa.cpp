#include "kernels/isa.h"

#include <cstdlib>

#include "error.h"

#if defined(__x86_64__) || defined(_M_X64)
#define ALTCLIP_X86 1
#ifdef _MSC_VER
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#endif
#if defined(__aarch64__) || defined(_M_ARM64)
#define ALTCLIP_ARM64 1
#if defined(__linux__)
#include <sys/auxv.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#elif defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>
#endif
#endif

namespace altclip {

namespace {

// best last
constexpr Isa all_isas[] = {Isa::scalar,      Isa::avx2, Isa::avx512,       Isa::avx512_vnni,
                            Isa::avx512_bf16, Isa::neon, Isa::neon_dotprod, Isa::neon_i8mm};

#ifdef ALTCLIP_X86

struct Registers {
    unsigned a = 0, b = 0, c = 0, d = 0;
};

Registers cpuid(unsigned leaf, unsigned subleaf) {
    Registers r;
#ifdef _MSC_VER
    int out[4];
    __cpuidex(out, static_cast<int>(leaf), static_cast<int>(subleaf));
    r = {static_cast<unsigned>(out[0]), static_cast<unsigned>(out[1]), static_cast<unsigned>(out[2]),
         static_cast<unsigned>(out[3])};
#else
    if (!__get_cpuid_count(leaf, subleaf, &r.a, &r.b, &r.c, &r.d)) return {};
#endif
    return r;
}

/// Which registers the operating system saves when it switches threads.
unsigned xcr0() {
#ifdef _MSC_VER
    return static_cast<unsigned>(_xgetbv(0));
#else
    unsigned low = 0, high = 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
#endif
}

bool bit(unsigned value, unsigned index) {
    return ((value >> index) & 1u) != 0;
}

bool present(Isa isa) {
#ifdef ALTCLIP_SIMDE
    return isa < Isa::neon;  // what the CPU lacks, SIMDe computes
#endif
    const Registers one = cpuid(1, 0);
    if (!bit(one.c, 27)) return false;  // OSXSAVE: XGETBV itself
    constexpr unsigned ymm = 0x6, zmm = 0xe6;
    const unsigned saved = xcr0();
    const Registers seven = cpuid(7, 0);
    const bool avx2 = (saved & ymm) == ymm && bit(seven.b, 5) && bit(one.c, 12) && bit(one.c, 29) &&
                      bit(seven.b, 8);  // AVX2, FMA, F16C, BMI2
    const bool avx512 = avx2 && (saved & zmm) == zmm && bit(seven.b, 16) && bit(seven.b, 30) && bit(seven.b, 17) &&
                        bit(seven.b, 31);  // F, BW, DQ, VL
    switch (isa) {
        case Isa::avx2: return avx2;
        case Isa::avx512: return avx512;
        case Isa::avx512_vnni: return avx512 && bit(seven.c, 11);
        case Isa::avx512_bf16:  // and VBMI
            return avx512 && bit(seven.c, 11) && bit(cpuid(7, 1).a, 5) && bit(seven.c, 1);
        default: return false;
    }
}

#elif defined(ALTCLIP_ARM64)

#ifdef __APPLE__
bool has_feature(const char * name) {
    int value = 0;
    size_t size = sizeof(value);
    return sysctlbyname(name, &value, &size, nullptr, 0) == 0 && value != 0;
}
#endif

bool present(Isa isa) {
    if (isa == Isa::neon) return true;
#if defined(__linux__)
    // HWCAP_ASIMDDP and HWCAP2_I8MM of <asm/hwcap.h>, whose older versions lack the second
    const bool dotprod = (getauxval(AT_HWCAP) & (1ul << 20)) != 0;
    const bool i8mm = (getauxval(AT_HWCAP2) & (1ul << 13)) != 0;
#elif defined(__APPLE__)
    const bool dotprod = has_feature("hw.optional.arm.FEAT_DotProd");
    const bool i8mm = has_feature("hw.optional.arm.FEAT_I8MM");
#elif defined(_WIN32)
    // PF_ARM_V82_DP_INSTRUCTIONS_AVAILABLE and PF_ARM_V82_I8MM_INSTRUCTIONS_AVAILABLE, which older SDKs lack
    const bool dotprod = IsProcessorFeaturePresent(43) != 0;
    const bool i8mm = IsProcessorFeaturePresent(66) != 0;
#else
    const bool dotprod = false, i8mm = false;
#endif
    if (isa == Isa::neon_dotprod) return dotprod;
    return isa == Isa::neon_i8mm && dotprod && i8mm;
}

#else

bool present(Isa) {
    return false;
}

#endif

Isa choose() {
    const std::vector<Isa> supported = supported_isas();
    const char * forced = std::getenv("ALTCLIP_ISA");
    if (!forced || !*forced) return supported.back();
    std::string names;
    for (const Isa isa : supported) {
        if (isa_name(isa) == std::string(forced)) return isa;
        names += (names.empty() ? "" : ", ") + std::string(isa_name(isa));
    }
    fail(ErrorCode::invalid_argument, "ALTCLIP_ISA is '", forced, "', expected one of those this machine has: ", names);
}

}  // namespace

const char * isa_name(Isa isa) {
    switch (isa) {
        case Isa::scalar: return "scalar";
        case Isa::avx2: return "avx2";
        case Isa::avx512: return "avx512";
        case Isa::avx512_vnni: return "avx512_vnni";
        case Isa::avx512_bf16: return "avx512_bf16";
        case Isa::neon: return "neon";
        case Isa::neon_dotprod: return "neon_dotprod";
        case Isa::neon_i8mm: return "neon_i8mm";
    }
    return "?";
}

bool isa_supported(Isa isa) {
    return isa == Isa::scalar || present(isa);
}

std::vector<Isa> supported_isas() {
    std::vector<Isa> supported;
    for (const Isa isa : all_isas) {
        if (isa_supported(isa)) supported.push_back(isa);
    }
    return supported;
}

Isa best_isa() {
    static const Isa isa = choose();
    return isa;
}

}  // namespace altclip

#include "peak.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace altclip::bench {

#if defined(__aarch64__)
namespace {

struct NeonFloat {
    using Sum = float32x4_t;
    static constexpr int64_t n_operations = 8;
    static Sum zero() { return vdupq_n_f32(0); }
    static Sum multiply_add(Sum sum, Sum x) { return vfmaq_f32(sum, x, x); }
    static void keep(Sum & x) { __asm__ volatile("" : "+w"(x)); }
};

}  // namespace
#endif

Chains chains([[maybe_unused]] Isa isa) {
#if defined(__x86_64__)
    if (isa == Isa::avx2) return avx2_chains();
    if (isa == Isa::avx512) return avx512_chains();
    if (isa == Isa::avx512_vnni) return avx512_vnni_chains();
    if (isa == Isa::avx512_bf16) return avx512_bf16_chains();
#elif defined(__aarch64__)
    return {chain<NeonFloat>};
#endif
    return {};
}

}  // namespace altclip::bench

#include "kernels/kernels.h"

#include "error.h"

namespace altclip {

const KernelTable & kernel_table(Isa isa) {
    switch (isa) {
        case Isa::scalar: return scalar_kernels;
#if defined(__x86_64__) || defined(_M_X64)
        case Isa::avx2: return avx2_kernels;
        case Isa::avx512: return avx512_kernels;
        case Isa::avx512_vnni: return avx512_vnni_kernels;
        case Isa::avx512_bf16: return avx512_bf16_kernels;
#elif defined(__aarch64__) || defined(_M_ARM64)
        case Isa::neon: return neon_kernels;
        case Isa::neon_dotprod: return neon_dotprod_kernels;
        case Isa::neon_i8mm: return neon_i8mm_kernels;
#endif
        default: fail(ErrorCode::unsupported, "no kernels for ", isa_name(isa), " in this build");
    }
}

}  // namespace altclip

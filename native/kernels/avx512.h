// The intrinsics of AVX-512; included by the AVX-512 files alone. A build for tests on machines without it takes them
// from SIMDe, which computes them with what there is.
#pragma once

#ifdef ALTCLIP_SIMDE
#include "simde_avx512.h"
#else
#include <immintrin.h>
#endif

#include <cstring>

namespace altclip::avx512 {

/// The same bits as another kind of vector; compilers differ in the casts that they know.
template <typename To, typename From>
inline To bits_of(From x) {
    static_assert(sizeof(To) == sizeof(From), "vectors of one size");
    To y;
    std::memcpy(&y, &x, sizeof(y));
    return y;
}

}  // namespace altclip::avx512

// The intrinsics of AVX-512; included by the AVX-512 files alone. A build for tests on machines without it takes them
// from SIMDe, which computes them with what there is.
#pragma once

#ifdef ALTCLIP_SIMDE
#include "simde_avx512.h"
#else
#include <immintrin.h>
#endif

#include <algorithm>
#include <cstdint>
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

/// The first n lanes, or all.
inline __mmask16 lanes(int64_t n) {
    return static_cast<__mmask16>((1u << std::min<int64_t>(n, 16)) - 1);
}

}  // namespace altclip::avx512

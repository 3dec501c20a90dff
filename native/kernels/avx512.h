// The intrinsics of AVX-512; included by the AVX-512 files alone. A build for tests on machines without it takes them
// from SIMDe, which computes them with what there is.
#pragma once

#ifdef ALTCLIP_SIMDE
#include "simde_avx512.h"
#else
#include <immintrin.h>
#endif

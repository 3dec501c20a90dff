#if defined(__x86_64__)

#include <immintrin.h>

#include "peak.h"

namespace altclip::bench {

namespace {

struct Float {
    using Sum = __m256;
    static constexpr int64_t n_operations = 16;
    static Sum zero() { return _mm256_setzero_ps(); }
    static Sum multiply_add(Sum sum, Sum x) { return _mm256_fmadd_ps(x, x, sum); }
    static void keep(Sum & x) { __asm__ volatile("" : "+x"(x)); }
};

struct Integer {
    using Sum = __m256i;
    static constexpr int64_t n_operations = 32;
    static Sum zero() { return _mm256_setzero_si256(); }
    static Sum multiply_add(Sum sum, Sum x) { return _mm256_add_epi32(sum, _mm256_madd_epi16(x, x)); }
    static void keep(Sum & x) { __asm__ volatile("" : "+x"(x)); }
};

}  // namespace

Chains avx2_chains() {
    return {chain<Float>, chain<Integer>};
}

}  // namespace altclip::bench

#endif

#if defined(__x86_64__)

#include "kernels/avx512.h"
#include "peak.h"

namespace altclip::bench {

namespace {

struct Float {
    using Sum = __m512;
    static constexpr int64_t n_operations = 32;
    static Sum zero() { return _mm512_setzero_ps(); }
    static Sum multiply_add(Sum sum, Sum x) { return _mm512_fmadd_ps(x, x, sum); }
    static void keep(Sum & x) { __asm__ volatile("" : "+v"(x)); }
};

struct Integer {
    using Sum = __m512i;
    static constexpr int64_t n_operations = 64;
    static Sum zero() { return _mm512_setzero_si512(); }
    static Sum multiply_add(Sum sum, Sum x) {
        Sum product = _mm512_madd_epi16(x, x);
        keep(product);  // or a compiler may make both one instruction of VNNI
        return _mm512_add_epi32(sum, product);
    }
    static void keep(Sum & x) { __asm__ volatile("" : "+v"(x)); }
};

struct Bfloat : Float {
    static constexpr int64_t n_operations = 64;
    static Sum multiply_add(Sum sum, Sum x) {
        return _mm512_dpbf16_ps(sum, avx512::bits_of<__m512bh>(x), avx512::bits_of<__m512bh>(x));
    }
};

struct VnniInteger : Integer {
    static Sum multiply_add(Sum sum, Sum x) { return _mm512_dpwssd_epi32(sum, x, x); }
};

struct VnniBytes : Integer {
    static constexpr int64_t n_operations = 128;
    static Sum multiply_add(Sum sum, Sum x) { return _mm512_dpbusd_epi32(sum, x, x); }
};

}  // namespace

Chains avx512_chains() {
    return {chain<Float>, chain<Integer>};
}

Chains avx512_vnni_chains() {
    return {chain<Float>, chain<VnniInteger>, chain<VnniBytes>};
}

Chains avx512_bf16_chains() {
    return {chain<Float>, chain<VnniInteger>, chain<VnniBytes>, chain<Bfloat>};
}

}  // namespace altclip::bench

#endif

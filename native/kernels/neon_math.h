// exp and the activations over four floats; included by the NEON files alone.
#pragma once

#include <arm_neon.h>

namespace altclip::neon {

/// Relative error about 2e-7 (Cephes' expf); arguments are held to [-87.3, 88.3]; a NaN stays.
inline float32x4_t exp4(float32x4_t x) {
    x = vminq_f32(vmaxq_f32(x, vdupq_n_f32(-87.3f)), vdupq_n_f32(88.3f));
    const float32x4_t n = vrndnq_f32(vmulq_n_f32(x, 1.44269504f));
    x = vfmsq_f32(x, n, vdupq_n_f32(0.693359375f));
    x = vfmsq_f32(x, n, vdupq_n_f32(-2.12194440e-4f));
    float32x4_t p = vdupq_n_f32(1.9875691500e-4f);
    p = vfmaq_f32(vdupq_n_f32(1.3981999507e-3f), p, x);
    p = vfmaq_f32(vdupq_n_f32(8.3334519073e-3f), p, x);
    p = vfmaq_f32(vdupq_n_f32(4.1665795894e-2f), p, x);
    p = vfmaq_f32(vdupq_n_f32(1.6666665459e-1f), p, x);
    p = vfmaq_f32(vdupq_n_f32(5.0000001201e-1f), p, x);
    p = vfmaq_f32(vaddq_f32(x, vdupq_n_f32(1.0f)), vmulq_f32(p, x), x);
    const int32x4_t exponent = vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127)), 23);
    return vmulq_f32(p, vreinterpretq_f32_s32(exponent));
}

/// x * sigmoid(t)
inline float32x4_t gate4(float32x4_t x, float32x4_t t) {
    return vdivq_f32(x, vaddq_f32(vdupq_n_f32(1.0f), exp4(vnegq_f32(t))));
}

/// erf with an absolute error of 1.5e-7 (Abramowitz and Stegun 7.1.26).
inline float32x4_t gelu_erf4(float32x4_t x) {
    const float32x4_t one = vdupq_n_f32(1.0f);
    const float32x4_t z = vmulq_n_f32(x, 0.70710678f), a = vabsq_f32(z);
    const float32x4_t t = vdivq_f32(one, vfmaq_f32(one, vdupq_n_f32(0.3275911f), a));
    float32x4_t p = vdupq_n_f32(1.061405429f);
    p = vfmaq_f32(vdupq_n_f32(-1.453152027f), p, t);
    p = vfmaq_f32(vdupq_n_f32(1.421413741f), p, t);
    p = vfmaq_f32(vdupq_n_f32(-0.284496736f), p, t);
    p = vfmaq_f32(vdupq_n_f32(0.254829592f), p, t);
    p = vmulq_f32(p, t);
    const float32x4_t magnitude = vfmsq_f32(one, p, exp4(vnegq_f32(vmulq_f32(a, a))));
    const float32x4_t e = vbslq_f32(vdupq_n_u32(0x80000000u), z, magnitude);
    const float32x4_t half = vmulq_n_f32(x, 0.5f);
    return vfmaq_f32(half, e, half);
}

}  // namespace altclip::neon

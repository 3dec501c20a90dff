// Quantised weights as bytes for the AVX-512 VNNI tables: see avx512_i8_widen.h.
#if (defined(__x86_64__) || defined(_M_X64)) && !defined(ALTCLIP_SIMDE)

#include "kernels/avx512_i8_widen.h"

namespace altclip::avx512 {

namespace {

struct Q8 {
    static constexpr int part_inputs = 32;
    static constexpr int64_t block_bytes = q8_block_bytes;

    const uint8_t * block;

    Q8(const uint8_t * from, const Scaling &) : block(from) {}

    /// From pairs of inputs of 16 outputs, behind them the next pairs.
    __m512i values(int i, int) const {
        return _mm512_permutexvar_epi16(in_turn(), _mm512_loadu_si512(block + output_tile * 2 + i * 64));
    }
};

struct Q6 {
    static constexpr int part_inputs = 16;
    static constexpr int64_t block_bytes = q6_k_block_bytes;

    const uint8_t * q;

    Q6(const uint8_t * block, const Scaling &) : q(block + 2 * output_tile * 2) {}

    /// From words whose bytes are inputs two apart.
    __m256i values(int i, int half) const {
        const uint8_t * high = q + 256 + i / 2 * 32;
        const int from = (i % 2 * 4 + half) * 2;
        __m256i v = place(q + i * 32, half * 4, 2, 0x3c3c, _mm256_set1_epi8(-128));
        v = place(high, from, 6, 0x00c0, v);
        v = place(high, from + 4, 14, 0xc000, v);
        const __m128i order = _mm_set_epi32(0x0f0d0e0c, 0x0b090a08, 0x07050604, 0x03010200);
        return _mm256_shuffle_epi8(v, _mm256_broadcastsi128_si256(order));
    }
};

/// Values of few bits with one multiplier, or with scale and minimum, as the nearest bytes.
template <int bits, bool minimum>
class Scaled {
public:
    static constexpr int part_inputs = 64, n_high = bits - 4;
    static constexpr bool has_minimum = minimum;
    static constexpr int64_t block_bytes = low_bits_block_bytes(minimum ? 2 : 1, bits);

    Scaled(const uint8_t * block, const Scaling & scaling) : q_(block + (minimum ? 2 : 1) * output_tile * 2) {
        const __m512i low = _mm512_broadcast_i32x4(_mm_set_epi32(0x0d0c0d0c, 0x09080908, 0x05040504, 0x01000100));
        const __m512i factors = _mm512_shuffle_epi8(scaling.factors, low),
                      middles = _mm512_shuffle_epi8(scaling.middles, low);
        factors_[0] = _mm512_castsi512_si256(factors);
        factors_[1] = _mm512_extracti64x4_epi64(factors, 1);
        middles_[0] = _mm512_castsi512_si256(middles);
        middles_[1] = _mm512_extracti64x4_epi64(middles, 1);
    }

    __m256i values(int i, int half) const {
        const auto scaled = [&](int vector) {
            const __m256i v = at_top<n_high>(q_, i, vector);
            return _mm256_add_epi16(_mm256_mulhrs_epi16(v, factors_[half]), middles_[half]);
        };
        const __m128i first = _mm_set_epi32(0x0f0d0f0d, 0x0b090b09, 0x07050705, 0x03010301);
        const __m256i bytes = _mm256_broadcastsi128_si256(first);  // of two inputs of each output, and again
        return _mm256_mask_shuffle_epi8(_mm256_shuffle_epi8(scaled(half), bytes), 0xcccccccc, scaled(half + 2), bytes);
    }

private:
    const uint8_t * q_;
    __m256i factors_[2], middles_[2];  // of outputs 0 to 7 and 8 to 15, both twice: for two inputs
};

}  // namespace

void widen_q8_0_i8(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    widen_runs<Q8>(blocks, n_blocks, out);
}

void widen_q4_0_i8(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    widen_runs<Scaled<4, false>>(blocks, n_blocks, out);
}

void widen_q4_k_i8(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    widen_runs<Scaled<4, true>>(blocks, n_blocks, out);
}

void widen_q5_k_i8(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    widen_runs<Scaled<5, true>>(blocks, n_blocks, out);
}

void widen_q6_k_i8(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    widen_runs<Q6>(blocks, n_blocks, out);
}

}  // namespace altclip::avx512

#endif

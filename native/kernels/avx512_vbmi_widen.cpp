// Weights of four bits as bytes where the CPU has VBMI's shuffles: an output's 16 bytes are made once a block and
// looked up, rather than each weight's scaled. See avx512_i8_widen.h; the bytes are the same.
#if (defined(__x86_64__) || defined(_M_X64)) && !defined(ALTCLIP_SIMDE)

#include <iterator>

#include "kernels/avx512_i8_widen.h"

namespace altclip::avx512 {

namespace {

/// What lanes hold, lane i of(i).
template <typename Lane, typename Of>
constexpr auto lanes_of(const Of & of) {
    struct alignas(64) {
        Lane lanes[64 / sizeof(Lane)] = {};
    } x;
    for (size_t i = 0; i < std::size(x.lanes); ++i) x.lanes[i] = static_cast<Lane>(of(static_cast<int>(i)));
    return x;
}

/// Values of four bits with one multiplier, or with scale and minimum.
template <bool minimum>
class Nibbles {
public:
    static constexpr int part_inputs = 64, n_high = 0;
    static constexpr bool has_minimum = minimum;
    static constexpr int64_t block_bytes = low_bits_block_bytes(minimum ? 2 : 1, 4);

    Nibbles(const uint8_t * block, const Scaling & scaling) : q_(block + (minimum ? 2 : 1) * output_tile * 2) {
        // four outputs by eight values, at the top of 16 bits, from -128 to -16
        static constexpr auto values = lanes_of<int16_t>([](int i) { return (i % 8 - 8) * 4096; });
        static constexpr auto outputs = lanes_of<int16_t>([](int i) { return i / 8 * 2; });
        static constexpr auto bytes =
            lanes_of<uint8_t>([](int i) { return i % 16 / 8 * 64 + (i / 16 * 8 + i % 8) * 2 + 1; });
        for (int i = 0; i < 4; ++i) {
            const __m512i four =
                _mm512_add_epi16(_mm512_load_si512(&outputs), _mm512_set1_epi16(static_cast<int16_t>(i * 8)));
            const __m512i factors = _mm512_permutexvar_epi16(four, scaling.factors),
                          middles = _mm512_permutexvar_epi16(four, scaling.middles);
            const __m512i below = _mm512_add_epi16(_mm512_mulhrs_epi16(_mm512_load_si512(&values), factors), middles);
            const __m512i above = _mm512_add_epi16(below, factors);
            tables_[i] = _mm512_permutex2var_epi8(below, _mm512_load_si512(&bytes), above);
        }
    }

    __m512i values(int i, int) const {
        // a word's nibbles: of an input those of output o and of output o + 8, of the next but one, then of the others
        static constexpr auto bits = lanes_of<uint8_t>([](int lane) {
            constexpr int inputs[] = {0, 16, 8, 24};
            return lane / 4 % 2 * 32 + inputs[lane % 4] + lane / 32 * 4;
        });
        static constexpr auto outputs = lanes_of<uint8_t>([](int lane) { return lane / 4 % 8 * 16; });
        constexpr int and_or = 0xea;
        const __m512i words = _mm512_broadcast_i64x4(load_256(q_ + i * 32));
        const __m512i q = _mm512_multishift_epi64_epi8(_mm512_load_si512(&bits), words);
        const __m512i places = _mm512_ternarylogic_epi32(q, _mm512_set1_epi8(15), _mm512_load_si512(&outputs), and_or);
        const __m512i low = _mm512_mask2_permutex2var_epi8(tables_[0], places, 0x00000000ffffffff, tables_[1]);
        return _mm512_mask2_permutex2var_epi8(tables_[2], low, 0xffffffff00000000, tables_[3]);
    }

private:
    const uint8_t * q_;
    __m512i tables_[4];  // bytes of four outputs by 16 values
};

}  // namespace

void widen_q4_0_i8_vbmi(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    widen_runs<Nibbles<false>>(blocks, n_blocks, out);
}

void widen_q4_k_i8_vbmi(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    widen_runs<Nibbles<true>>(blocks, n_blocks, out);
}

}  // namespace altclip::avx512

#endif

// Quantised weights as bytes for the AVX-512 VNNI tables: see avx512_i8.h, and kernels.h for how they lie in memory.
#if (defined(__x86_64__) || defined(_M_X64)) && !defined(ALTCLIP_SIMDE)

#include "kernels/avx512.h"
#include "kernels/avx512_i8.h"

namespace altclip::avx512 {

namespace {

constexpr int64_t run_blocks = i8_run / 32;
alignas(64) constexpr uint8_t zero_block[q8_block_bytes] = {};  // of the type with the largest blocks

/// A block: for each output a weight is multiplier * v / 128 + minimum / 4.
struct Block {
    const uint8_t * from;
    __m512i multipliers[2];  // of inputs 0 to 15, of 16 to 31
    __m512i minimum;
};

__m512i load_numbers(const uint8_t * p) {
    return _mm512_cvtepi16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(p)));
}

/// The low halves of 32-bit words.
__m512i pair(__m512i first, __m512i second) {
    return _mm512_mask_blend_epi16(0xaaaaaaaa, first, _mm512_slli_epi32(second, 16));
}

/// The multiplier m with which all weights of two blocks are m * v / 256 for bytes v, whole. Its sign is such that the
/// largest of them, which may be the only one of its size, is -128 rather than 127. `largest_v`: that a block's own may
/// be.
__m512 common_multiplier(const Block & first, const Block & second, int largest_v) {
    const __m512 middle_v = _mm512_set1_ps(static_cast<float>(largest_v - 128) / 2),
                 half_width = _mm512_set1_ps(static_cast<float>(largest_v + 128) / 2);
    __m512 above = _mm512_setzero_ps(), below = above, largest = above;  // weights times 128; multiplier
    for (const Block * block : {&first, &second}) {
        const __m512 multiplier = _mm512_cvtepi32_ps(block->multipliers[0]), size = _mm512_abs_ps(multiplier);
        const __m512 minimum = _mm512_mul_ps(_mm512_cvtepi32_ps(block->minimum), _mm512_set1_ps(32.0f));
        const __m512 middle = _mm512_fmadd_ps(multiplier, middle_v, minimum);
        above = _mm512_max_ps(above, _mm512_fmadd_ps(size, half_width, middle));
        below = _mm512_max_ps(below, _mm512_fmsub_ps(size, half_width, middle));
        largest = _mm512_max_ps(largest, size);
    }
    const __m512 larger = _mm512_mul_ps(_mm512_max_ps(above, below), _mm512_set1_ps(2.0f / 128)),
                 smaller = _mm512_mul_ps(_mm512_min_ps(above, below), _mm512_set1_ps(2.0f / 127));
    // bytes come nearer to each other
    const __m512 size = _mm512_max_ps(_mm512_max_ps(larger, smaller), _mm512_add_ps(largest, largest));
    const __m512 whole = _mm512_roundscale_ps(size, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
    return _mm512_mask_sub_ps(whole, _mm512_cmp_ps_mask(above, below, _CMP_GT_OQ), _mm512_setzero_ps(), whole);
}

/// A block's bytes to the nearest under a common multiplier, whose inverse it takes.
class Requantise {
public:
    Requantise() = default;
    Requantise(const Block & block, __m512 inverse) {
        const __m512 multiplier = _mm512_cvtepi32_ps(block.multipliers[0]), minimum = _mm512_cvtepi32_ps(block.minimum);
        const auto times = [inverse](float unit) { return _mm512_mul_ps(inverse, _mm512_set1_ps(unit)); };
        const __m512i factor = _mm512_cvtps_epi32(_mm512_mul_ps(multiplier, times(2 * 32767.0f)));
        const __m512i middle = _mm512_cvtps_epi32(_mm512_fmadd_ps(minimum, times(64 * 256), _mm512_set1_ps(128.0f)));
        factors_ = pair(factor, factor);
        middles_ = pair(middle, middle);
    }

    /// Of bytes at the top of 16 bits: inputs 0 and 1 of each word of 32 bits, then 2 and 3.
    __m512i operator()(__m512i first, __m512i last) const {
        const auto scaled = [this](__m512i v) { return _mm512_add_epi16(_mm512_mulhrs_epi16(v, factors_), middles_); };
        const __m512i halves = _mm512_broadcast_i32x4(_mm_set_epi32(0x0f0d0f0d, 0x0b090b09, 0x07050705, 0x03010301));
        const __m512i both = _mm512_shuffle_epi8(scaled(first), halves);
        return _mm512_mask_shuffle_epi8(both, 0xcccccccccccccccc, scaled(last), halves);
    }

private:
    __m512i factors_;  // 32768ths
    __m512i middles_;  // 256ths, one half what rounds
};

/// Runs of blocks of a type, which reads a block's numbers, and gives v of four inputs by 16 outputs, eight times a
/// block. What a last run lacks is zero.
template <typename Type>
void widen_runs(const uint8_t * from, int64_t n_blocks, int16_t * out) {
    constexpr bool requantised = Type::part_inputs == 64;
    constexpr int n_parts = Type::part_inputs == 16 ? 2 : 1, shift = i8_shift<Type::part_inputs>;  // of a block
    static_assert(Type::block_bytes <= sizeof(zero_block));
    auto * run = reinterpret_cast<uint8_t *>(out);
    const auto store = [&run](int64_t offset, __m512i value) { _mm512_storeu_si512(run + offset, value); };
    for (int64_t first = 0; first < n_blocks; first += run_blocks, run += i8_run_bytes) {
        Block blocks[run_blocks];
        for (int64_t i = 0; i < run_blocks; ++i)
            Type::read(first + i < n_blocks ? from + (first + i) * Type::block_bytes : zero_block, blocks[i]);
        Requantise requantise[run_blocks];
        if constexpr (requantised) {
            for (int64_t i = 0; i < 2; ++i) {
                const __m512 multiplier = common_multiplier(blocks[i], blocks[i + 2], Type::largest_v);
                const __mmask16 some = _mm512_cmp_ps_mask(multiplier, _mm512_setzero_ps(), _CMP_NEQ_OQ);
                const __m512 inverse = _mm512_maskz_div_ps(some, _mm512_set1_ps(1.0f), multiplier);
                for (const int64_t b : {i, i + 2}) {
                    requantise[b] = Requantise(blocks[b], inverse);
                    blocks[b].multipliers[0] = _mm512_cvtps_epi32(multiplier);
                }
            }
        }
        __m512i weight_sum = _mm512_set1_epi32(1 << (shift - 1));
        for (int64_t p = 0; p < run_blocks; p += 2) {
            for (int part = 0; part < n_parts; ++part) {
                __m512i sums[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()}, v[2];
#pragma GCC unroll 8
                for (int i = part * 8 / n_parts; i < (part + 1) * 8 / n_parts; ++i) {
                    for (int64_t b = 0; b < 2; ++b) {
                        if constexpr (requantised) {
                            v[b] = Type::values(blocks[p + b], i, requantise[p + b]);
                        } else {
                            v[b] = Type::values(blocks[p + b], i);
                        }
                        sums[b] = _mm512_dpbusd_epi32(sums[b], _mm512_set1_epi8(1), v[b]);
                    }
                    store(i8_weights + (p * 4 + i) * 128, _mm512_unpacklo_epi32(v[0], v[1]));
                    store(i8_weights + (p * 4 + i) * 128 + 64, _mm512_unpackhi_epi32(v[0], v[1]));
                }
                const __m512i even = blocks[p].multipliers[part], odd = blocks[p + 1].multipliers[part];
                weight_sum = _mm512_add_epi32(weight_sum, _mm512_mullo_epi32(even, sums[0]));
                weight_sum = _mm512_add_epi32(weight_sum, _mm512_mullo_epi32(odd, sums[1]));
                store(i8_multipliers + (p / 2 * n_parts + part) * 64, pair(even, odd));
            }
        }
        weight_sum = _mm512_srai_epi32(weight_sum, shift);
        // where bytes are larger than the largest weights, high is as large as may be, and low what is left
        const __m512i high = _mm512_max_epi32(
            _mm512_min_epi32(_mm512_srai_epi32(weight_sum, 7), _mm512_set1_epi32(32767)), _mm512_set1_epi32(-32768));
        store(i8_weight_sum, pair(high, _mm512_sub_epi32(weight_sum, _mm512_slli_epi32(high, 7))));
    }
}

struct Q8 {
    static constexpr int part_inputs = 32;
    static constexpr int64_t block_bytes = q8_block_bytes;

    static void read(const uint8_t * from, Block & block) {
        block.from = from;
        block.multipliers[0] = load_numbers(from);
    }

    static __m512i values(const Block & block, int i) {
        // pairs of inputs of 16 outputs, behind them the next pairs: an output's four inputs are word o and word 16 + o
        const __m512i outputs = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
        const __m512i order = pair(outputs, _mm512_add_epi32(outputs, _mm512_set1_epi32(output_tile)));
        return _mm512_permutexvar_epi16(order, _mm512_loadu_si512(block.from + output_tile * 2 + i * 64));
    }
};

/// The counts of _mm512_rolv_epi32 for outputs 0 to 7 and 8 to 15.
__m512i rotations(int low, int high) {
    return _mm512_inserti64x4(_mm512_set1_epi32(low & 31), _mm256_set1_epi32(high & 31), 1);
}

constexpr int and_xor = 0x6a;  // (a & b) ^ c, of _mm512_ternarylogic_epi32

/// What a block of fewer than eight bits has: a multiplier, one for each half, or scale and minimum.
enum class Numbers { multiplier, multipliers, scale_and_minimum };

/// Values of 4 + n_high bits, at the top of v. A word holds an input's bits of output o and of output o + 8, and of the
/// input two further on: both halves of a vector begin with the same eight outputs' words.
template <int n_high, Numbers numbers, int64_t n_bytes>
struct LowBits {
    static constexpr int part_inputs = numbers == Numbers::multipliers ? 16 : 64;
    static constexpr int largest_v = 127 - (255 >> (4 + n_high));
    static constexpr int64_t block_bytes = n_bytes, numbers_bytes = n_bytes - 32 * output_tile * (4 + n_high) / 8;
    static constexpr int n_groups = n_high == 2 ? 2 : 4;  // fours of inputs in a word's high bits

    static void read(const uint8_t * from, Block & block) {
        block.from = from;
        block.multipliers[0] = load_numbers(from);
        block.minimum = _mm512_setzero_si512();
        if constexpr (numbers == Numbers::multipliers) block.multipliers[1] = load_numbers(from + 2 * output_tile);
        if constexpr (numbers == Numbers::scale_and_minimum) {
            // with q = v / 2^(4 - n_high) + 8 * 2^n_high, modulo 2^16: q scale - minimum
            const __m256i scale = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(from)),
                          minimum = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(from) + 1);
            block.multipliers[0] = _mm512_slli_epi32(block.multipliers[0], 1 + n_high);
            block.minimum = _mm512_cvtepi16_epi32(_mm256_sub_epi16(_mm256_slli_epi16(scale, 3 + n_high), minimum));
        }
    }

    static __m512i values(const Block & block, int i) { return in_order(bytes(block, i)); }

    static __m512i values(const Block & block, int i, const Requantise & requantise) {
        if constexpr (n_high > 0) {
            const __m512i v = bytes(block, i);
            return requantise(_mm512_slli_epi16(v, 8), _mm512_and_si512(v, _mm512_set1_epi16(-256)));
        }
        const __m512i words = both(block.from + numbers_bytes + i * 32);
        const auto at_top = [](__m512i rotated) {  // less 128
            return _mm512_ternarylogic_epi32(rotated, _mm512_set1_epi16(-4096), _mm512_set1_epi16(-32768), and_xor);
        };
        return requantise(at_top(_mm512_rolv_epi32(words, rotations(12, 8))),
                          at_top(_mm512_rolv_epi32(words, rotations(4, 0))));
    }

private:
    static __m512i both(const uint8_t * p) {
        return _mm512_broadcast_i64x4(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(p)));
    }

    /// A word's bytes are inputs two apart.
    static __m512i in_order(__m512i v) {
        const __m512i order = _mm512_broadcast_i32x4(_mm_set_epi32(0x0f0d0e0c, 0x0b090a08, 0x07050604, 0x03010200));
        return _mm512_shuffle_epi8(v, order);
    }

    static __m512i bytes(const Block & block, int i) {
        const uint8_t * q = block.from + numbers_bytes;
        const __m512i low = _mm512_rolv_epi32(both(q + i * 32), rotations(4 - n_high, -n_high)),
                      low_mask = _mm512_set1_epi8(static_cast<char>(15 << (4 - n_high)));
        __m512i v = _mm512_ternarylogic_epi32(low, low_mask, _mm512_set1_epi8(-128), and_xor);
        if constexpr (n_high > 0) {
            const __m512i words = both(q + 256 + i / n_groups * 32);
            const int first = i % n_groups * 4 * n_high;  // these inputs' bits: for each both outputs'
            const auto place = [&](int from, int to) {
                const __m512i mask = _mm512_set1_epi16(static_cast<int16_t>(((1 << n_high) - 1) << to));
                const __m512i high = _mm512_rolv_epi32(words, rotations(to - from, to - from - n_high));
                v = _mm512_ternarylogic_epi32(high, mask, v, and_xor);
            };
            place(first, 8 - n_high);
            place(first + 2 * n_high, 16 - n_high);
        }
        return v;
    }
};

}  // namespace

void widen_q8_0_i8(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    widen_runs<Q8>(blocks, n_blocks, out);
}

void widen_q4_0_i8(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    widen_runs<LowBits<0, Numbers::multiplier, q4_0_block_bytes>>(blocks, n_blocks, out);
}

void widen_q4_k_i8(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    widen_runs<LowBits<0, Numbers::scale_and_minimum, q4_k_block_bytes>>(blocks, n_blocks, out);
}

void widen_q5_k_i8(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    widen_runs<LowBits<1, Numbers::scale_and_minimum, q5_k_block_bytes>>(blocks, n_blocks, out);
}

void widen_q6_k_i8(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    widen_runs<LowBits<2, Numbers::multipliers, q6_k_block_bytes>>(blocks, n_blocks, out);
}

}  // namespace altclip::avx512

#endif

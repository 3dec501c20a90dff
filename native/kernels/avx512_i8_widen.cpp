// Quantised weights as bytes for the AVX-512 VNNI tables: see avx512_i8.h, and kernels.h for how they lie in
// memory.
#if (defined(__x86_64__) || defined(_M_X64)) && !defined(ALTCLIP_SIMDE)

#include <iterator>

#include "kernels/avx512.h"
#include "kernels/avx512_i8.h"

namespace altclip::avx512 {

namespace {

constexpr int64_t run_blocks = i8_run / 32;

/// A block: for each output a weight is multiplier * v / 128 + minimum / 4.
struct Block {
    alignas(64) int8_t values[32 * output_tile];  // v [8][output_tile][4 inputs]
    __m512i multipliers[2];                       // of inputs 0 to 15, of 16 to 31
    __m512i minimum;
};

__m512i load_numbers(const uint8_t * p) {
    return _mm512_cvtepi16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(p)));
}

/// The low halves of 32-bit words.
__m512i pair(__m512i first, __m512i second) {
    return _mm512_mask_blend_epi16(0xaaaaaaaa, first, _mm512_slli_epi32(second, 16));
}

/// The sum of n_inputs of v by their multiplier.
__m512i weight_sum(const int8_t * values, int64_t n_inputs, __m512i multiplier) {
    __m512i sum = _mm512_setzero_si512();
    for (const int8_t * end = values + n_inputs * output_tile; values < end; values += 64)
        sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(1), _mm512_load_si512(values));
    return _mm512_mullo_epi32(multiplier, sum);
}

/// The multiplier m with which all weights of two blocks are m * v / 256 for bytes v. Its sign is such that the largest
/// of them, which may be the only one of its size, is -128 rather than 127. `largest_v`: that a block's own may be.
__m512i common_multiplier(const Block & first, const Block & second, int largest_v) {
    __m512i least = _mm512_setzero_si512(), most = least, largest = least;  // weights times 128; multiplier
    for (const Block * block : {&first, &second}) {
        const __m512i middle = _mm512_slli_epi32(block->minimum, 5), multiplier = block->multipliers[0];
        for (const int v : {-128, largest_v}) {
            const __m512i end = _mm512_add_epi32(middle, _mm512_mullo_epi32(multiplier, _mm512_set1_epi32(v)));
            least = _mm512_min_epi32(least, end);
            most = _mm512_max_epi32(most, end);
        }
        largest = _mm512_max_epi32(largest, _mm512_abs_epi32(multiplier));
    }
    const __m512 below = _mm512_cvtepi32_ps(_mm512_abs_epi32(least)), above = _mm512_cvtepi32_ps(most);
    const __m512 larger = _mm512_mul_ps(_mm512_max_ps(below, above), _mm512_set1_ps(2.0f / 128)),
                 smaller = _mm512_mul_ps(_mm512_min_ps(below, above), _mm512_set1_ps(2.0f / 127));
    const __m512i whole =
        _mm512_cvt_roundps_epi32(_mm512_max_ps(larger, smaller), _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
    const __m512i size = _mm512_max_epi32(whole, _mm512_slli_epi32(largest, 1));  // bytes come nearer to each other
    return _mm512_mask_sub_epi32(size, _mm512_cmp_ps_mask(above, below, _CMP_GT_OQ), _mm512_setzero_si512(), size);
}

/// A block's bytes to the nearest under that multiplier.
void requantise(Block & block, __m512i multiplier) {
    const __m512 m = _mm512_cvtepi32_ps(multiplier);
    const __mmask16 some = _mm512_test_epi32_mask(multiplier, multiplier);
    const auto over_multiplier = [&](__m512i x, float unit) {
        const __m512 scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(x), _mm512_set1_ps(unit));
        return _mm512_cvtps_epi32(_mm512_maskz_div_ps(some, scaled, m));
    };
    const __m512i ratio = over_multiplier(block.multipliers[0], 65536), most = _mm512_set1_epi32(32767);
    const __m512i factor =
        _mm512_max_epi32(_mm512_min_epi32(ratio, most), _mm512_sub_epi32(_mm512_setzero_si512(), most));
    // 256ths of a byte's steps, one half what rounds
    const __m512i middle = _mm512_add_epi32(over_multiplier(block.minimum, 64 * 256), _mm512_set1_epi32(128));
    const __m512i factors = pair(factor, factor), middles = pair(middle, middle);
    for (int8_t *four = block.values, *end = std::end(block.values); four < end; four += 64) {
        const auto scaled = [&](__m512i high_bytes) {
            return _mm512_add_epi16(_mm512_mulhrs_epi16(high_bytes, factors), middles);
        };
        const __m512i v = _mm512_load_si512(four);
        const __m512i even = scaled(_mm512_slli_epi16(v, 8)),
                      odd = scaled(_mm512_and_si512(v, _mm512_set1_epi16(-256)));
        _mm512_store_si512(four, _mm512_mask_blend_epi8(0xaaaaaaaaaaaaaaaa, _mm512_srli_epi16(even, 8), odd));
    }
}

/// Runs of the blocks, each as widen_block(from, block) gives it. What a last run lacks is zero.
template <int part_inputs, int64_t block_bytes, int largest_v, typename WidenBlock>
void widen_runs(const uint8_t * from, int64_t n_blocks, int16_t * out, const WidenBlock & widen_block) {
    constexpr int64_t n_parts = part_inputs < 32 ? 2 : 1;  // of a block
    auto * run = reinterpret_cast<uint8_t *>(out);
    const auto store = [&run](int64_t offset, __m512i value) { _mm512_storeu_si512(run + offset, value); };
    for (; n_blocks > 0; n_blocks -= run_blocks, run += i8_run_bytes) {
        Block blocks[run_blocks];
        for (int64_t i = 0; i < run_blocks; ++i, from += block_bytes) {
            if (i < n_blocks) {
                widen_block(from, blocks[i]);
            } else {
                blocks[i] = Block{};
            }
        }
        if constexpr (part_inputs == 64) {
            for (int p = 0; p < 2; ++p) {
                const __m512i multiplier = common_multiplier(blocks[p], blocks[p + 2], largest_v);
                for (Block * block : {&blocks[p], &blocks[p + 2]}) {
                    requantise(*block, multiplier);
                    block->multipliers[0] = multiplier;
                }
            }
        }
        constexpr int shift = i8_shift<part_inputs>;
        __m512i sum = _mm512_set1_epi32(1 << (shift - 1));
        for (const Block & block : blocks) {
            for (int64_t part = 0; part < n_parts; ++part)
                sum =
                    _mm512_add_epi32(sum, weight_sum(block.values + part * 256, 32 / n_parts, block.multipliers[part]));
        }
        sum = _mm512_srai_epi32(sum, shift);
        store(i8_weight_sum, pair(_mm512_srai_epi32(sum, 7), _mm512_and_si512(sum, _mm512_set1_epi32(127))));
        for (int64_t p = 0; p < run_blocks / 2; ++p) {
            const Block &even = blocks[2 * p], &odd = blocks[2 * p + 1];
            for (int64_t part = 0; part < n_parts; ++part)
                store(i8_multipliers + (p * n_parts + part) * 64, pair(even.multipliers[part], odd.multipliers[part]));
            for (int64_t q = 0; q < 8; ++q) {
                const __m512i first = _mm512_load_si512(even.values + q * 64),
                              second = _mm512_load_si512(odd.values + q * 64);
                store(i8_weights + (p * 8 + q) * 128, _mm512_unpacklo_epi32(first, second));
                store(i8_weights + (p * 8 + q) * 128 + 64, _mm512_unpackhi_epi32(first, second));
            }
        }
    }
}

/// The counts of _mm512_rolv_epi32 for outputs 0 to 7 and 8 to 15.
__m512i rotations(int low, int high) {
    return _mm512_inserti64x4(_mm512_set1_epi32(low & 31), _mm256_set1_epi32(high & 31), 1);
}

/// The bits of four inputs by 16 outputs as bytes v: their value at the top, less 128. A word holds an input's bits of
/// output o and of output o + 8, and of the input two further on: both halves of a vector begin with the same eight
/// outputs' words.
template <int n_high>
struct LowBits {
    static constexpr int n_bits = 4 + n_high, n_groups = n_high == 2 ? 2 : 4;  // fours of inputs in a word's high bits
    const __m512i low = rotations(4 - n_high, -n_high);
    const __m512i low_mask = _mm512_set1_epi8(static_cast<char>(15 << (4 - n_high)));
    // a word's bytes are inputs two apart
    const __m512i order = _mm512_broadcast_i32x4(_mm_set_epi32(0x0f0d0e0c, 0x0b090a08, 0x07050604, 0x03010200));

    __m512i operator()(const uint8_t * q, int group) const {
        const auto both = [](const uint8_t * p) {
            return _mm512_broadcast_i64x4(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(p)));
        };
        __m512i u = _mm512_and_si512(_mm512_rolv_epi32(both(q + group * 32), low), low_mask);
        if constexpr (n_high > 0) {
            const __m512i words = both(q + 256 + group / n_groups * 32);
            const int first = group % n_groups * 4 * n_high;  // the group's bits: for each input both outputs'
            const auto place = [&](int from, int to) {
                const __m512i mask = _mm512_set1_epi16(static_cast<int16_t>(((1 << n_high) - 1) << to));
                return _mm512_and_si512(_mm512_rolv_epi32(words, rotations(to - from, to - from - n_high)), mask);
            };
            u = _mm512_or_si512(u, place(first, 8 - n_high));
            u = _mm512_or_si512(u, place(first + 2 * n_high, 16 - n_high));
        }
        return _mm512_xor_si512(_mm512_shuffle_epi8(u, order), _mm512_set1_epi8(-128));
    }
};

/// What a block of a type of fewer than eight bits has: a multiplier, one for each half, or scale and minimum.
enum class Numbers { multiplier, multipliers, scale_and_minimum };

template <int n_high, Numbers numbers, int64_t block_bytes>
void widen_low_bits(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    constexpr int64_t numbers_bytes = block_bytes - 32 * output_tile * (4 + n_high) / 8;
    constexpr int part_inputs = numbers == Numbers::multipliers ? 16 : 64;
    constexpr int largest_v = 127 - (255 >> (4 + n_high));
    const LowBits<n_high> bits;
    widen_runs<part_inputs, block_bytes, largest_v>(
        blocks, n_blocks, out, [&bits](const uint8_t * from, Block & block) {
            for (int group = 0; group < 8; ++group)
                _mm512_store_si512(block.values + group * 64, bits(from + numbers_bytes, group));
            block.multipliers[0] = load_numbers(from);
            block.minimum = _mm512_setzero_si512();
            if constexpr (numbers == Numbers::multipliers) block.multipliers[1] = load_numbers(from + 2 * output_tile);
            if constexpr (numbers == Numbers::scale_and_minimum) {
                // with q = v / 2^(4 - n_high) + 8 * 2^n_high, modulo 2^16: q scale - minimum
                const __m512i scale = block.multipliers[0];
                const __m512i middle =
                    _mm512_sub_epi32(_mm512_slli_epi32(scale, 3 + n_high), load_numbers(from + 2 * output_tile));
                block.multipliers[0] = _mm512_slli_epi32(scale, 1 + n_high);
                block.minimum = _mm512_srai_epi32(_mm512_slli_epi32(middle, 16), 16);
            }
        });
}

}  // namespace

void widen_q8_0_i8(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    // pairs of inputs of 16 outputs, behind them the next pairs: an output's four inputs are word o and word 16 + o
    const __m512i outputs = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i order = pair(outputs, _mm512_add_epi32(outputs, _mm512_set1_epi32(output_tile)));
    widen_runs<32, q8_block_bytes, 127>(blocks, n_blocks, out, [&](const uint8_t * from, Block & block) {
        for (int64_t i = 0; i < q8_block / 4; ++i) {
            const __m512i pairs = _mm512_loadu_si512(from + output_tile * 2 + i * 64);
            _mm512_store_si512(block.values + i * 64, _mm512_permutexvar_epi16(order, pairs));
        }
        block.multipliers[0] = load_numbers(from);
    });
}

void widen_q4_0_i8(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    widen_low_bits<0, Numbers::multiplier, q4_0_block_bytes>(blocks, n_blocks, out);
}

void widen_q4_k_i8(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    widen_low_bits<0, Numbers::scale_and_minimum, q4_k_block_bytes>(blocks, n_blocks, out);
}

void widen_q5_k_i8(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    widen_low_bits<1, Numbers::scale_and_minimum, q5_k_block_bytes>(blocks, n_blocks, out);
}

void widen_q6_k_i8(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    widen_low_bits<2, Numbers::multipliers, q6_k_block_bytes>(blocks, n_blocks, out);
}

}  // namespace altclip::avx512

#endif

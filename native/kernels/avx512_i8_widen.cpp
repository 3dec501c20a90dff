// Quantised weights as unsigned bytes for the AVX-512 VNNI tables: see avx512_i8.h, and kernels.h for how they lie in
// memory.
#if (defined(__x86_64__) || defined(_M_X64)) && !defined(ALTCLIP_SIMDE)

#include <cstring>

#include "kernels/avx512.h"
#include "kernels/avx512_i8.h"

namespace altclip::avx512 {

namespace {

constexpr int64_t run_blocks = i8_run / 32;
constexpr int64_t block_values = 32 * output_tile;

/// Of a block, for each output, in the low halves of 32-bit words.
struct Numbers {
    __m512i multipliers[2];  // of v = u - 128, in units of 1/8 of an integer by 16; the second of halves that have one
    __m512i minimum;         // in quarters of an integer, modulo 2^16
};

/// Signed, from the low halves of 32-bit words.
__m512i from_low_halves(__m512i words) {
    return _mm512_srai_epi32(_mm512_slli_epi32(words, 16), 16);
}

__m512i load_numbers(const uint8_t * p) {
    return _mm512_cvtepi16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(p)));
}

__m512i pair(__m512i first, __m512i second) {
    return _mm512_mask_blend_epi16(0xaaaaaaaa, first, _mm512_slli_epi32(second, 16));
}

/// The sum of a block's weights times 16, in eighths of an integer.
template <Parts parts>
__m512i sum_of(const Numbers & numbers, const uint8_t * values) {
    constexpr int n_parts = block_parts<parts>, n_vectors = 8 / n_parts;
    __m512i sum = _mm512_setzero_si512();
    if constexpr (parts == Parts::blocks_with_minimum)
        sum = _mm512_slli_epi32(from_low_halves(numbers.minimum), 10);  // 32 inputs, 2 eighths, 16
    for (int part = 0; part < n_parts; ++part) {
        __m512i v = _mm512_set1_epi32(-128 * 4 * n_vectors);
        for (int i = 0; i < n_vectors; ++i, values += 64)
            v = _mm512_dpbusd_epi32(v, _mm512_loadu_si512(values), _mm512_set1_epi8(1));
        sum = _mm512_add_epi32(sum, _mm512_mullo_epi32(numbers.multipliers[part], v));
    }
    return sum;
}

/// Runs of the blocks; widen_block(block, values [8][output_tile][4]) gives its numbers. What a last run lacks is zero.
template <Parts parts, int64_t block_bytes, typename WidenBlock>
void widen_runs(const uint8_t * blocks, int64_t n_blocks, int16_t * out, const WidenBlock & widen_block) {
    constexpr int n_parts = block_parts<parts>;
    auto * run = reinterpret_cast<uint8_t *>(out);
    const auto store = [&run](int64_t offset, __m512i value) { _mm512_storeu_si512(run + offset, value); };
    for (; n_blocks > 0; run += i8_run_bytes) {
        __m512i sum = _mm512_set1_epi32(8);
        for (int64_t p = 0; p < run_blocks / 2; ++p) {
            Numbers numbers[2] = {};
            alignas(64) uint8_t values[2][block_values];
            for (int64_t i = 0; i < 2; ++i, --n_blocks, blocks += block_bytes) {
                if (n_blocks <= 0) {
                    std::memset(values[i], 0, sizeof(values[i]));
                    continue;
                }
                numbers[i] = widen_block(blocks, values[i]);
                sum = _mm512_add_epi32(sum, sum_of<parts>(numbers[i], values[i]));
            }
            for (int64_t q = 0; q < 8; ++q) {
                const __m512i even = _mm512_load_si512(values[0] + q * 64), odd = _mm512_load_si512(values[1] + q * 64);
                store(i8_weights + (p * 8 + q) * 128, _mm512_unpacklo_epi32(even, odd));
                store(i8_weights + (p * 8 + q) * 128 + 64, _mm512_unpackhi_epi32(even, odd));
            }
            for (int part = 0; part < n_parts; ++part)
                store(i8_multipliers + (p * n_parts + part) * 64,
                      pair(numbers[0].multipliers[part], numbers[1].multipliers[part]));
            if (parts == Parts::blocks_with_minimum)
                store(i8_minimums + p * 64, pair(numbers[0].minimum, numbers[1].minimum));
        }
        sum = _mm512_srai_epi32(sum, 4);
        store(i8_weight_sum, pair(_mm512_srai_epi32(sum, 8), _mm512_and_si512(sum, _mm512_set1_epi32(255))));
    }
}

/// The counts of _mm512_rolv_epi32 for outputs 0 to 7 and 8 to 15.
__m512i rotations(int low, int high) {
    return _mm512_inserti64x4(_mm512_set1_epi32(low & 31), _mm256_set1_epi32(high & 31), 1);
}

/// The bits of four inputs by 16 outputs to the top of their bytes. A word holds an input's bits of output o and of
/// output o + 8, and of the input two further on: both halves of a vector begin with the same eight outputs' words.
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
        return _mm512_shuffle_epi8(u, order);
    }
};

template <int n_high, Parts parts, int64_t block_bytes>
void widen_low_bits(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    constexpr int64_t numbers_bytes = block_bytes - block_values * (4 + n_high) / 8;
    const LowBits<n_high> bits;
    widen_runs<parts, block_bytes>(blocks, n_blocks, out, [&bits](const uint8_t * block, uint8_t * values) {
        for (int group = 0; group < 8; ++group, values += 64)
            _mm512_storeu_si512(values, bits(block + numbers_bytes, group));
        if constexpr (parts == Parts::blocks_with_minimum) {
            // with q = u / 2^(4 - n_high): q scale - minimum = (u - 128) scale / 2^(4 - n_high) + 8 * 2^n_high scale -
            // minimum
            const __m512i scale = load_numbers(block), minimum = load_numbers(block + 2 * output_tile);
            return Numbers{{_mm512_slli_epi32(scale, 1 + n_high)},
                           _mm512_sub_epi32(_mm512_slli_epi32(scale, 3 + n_high), minimum)};
        } else {
            constexpr int64_t second = parts == Parts::halves ? 2 * output_tile : 0;
            return Numbers{{load_numbers(block), load_numbers(block + second)}, {}};
        }
    });
}

}  // namespace

void widen_q8_0_i8(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    const __m512i offset = _mm512_set1_epi8(-128);
    // pairs of inputs of 16 outputs, behind them the next pairs: an output's four inputs are word o and word 16 + o
    const __m512i outputs = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i order = pair(outputs, _mm512_add_epi32(outputs, _mm512_set1_epi32(output_tile)));
    widen_runs<Parts::blocks, q8_block_bytes>(blocks, n_blocks, out, [&](const uint8_t * block, uint8_t * values) {
        for (int64_t i = 0; i < q8_block / 4; ++i) {
            const __m512i pairs = _mm512_loadu_si512(block + output_tile * 2 + i * 64);
            _mm512_storeu_si512(values + i * 64, _mm512_xor_si512(_mm512_permutexvar_epi16(order, pairs), offset));
        }
        return Numbers{{load_numbers(block)}, {}};
    });
}

void widen_q4_0_i8(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    widen_low_bits<0, Parts::blocks, q4_0_block_bytes>(blocks, n_blocks, out);
}

void widen_q4_k_i8(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    widen_low_bits<0, Parts::blocks_with_minimum, q4_k_block_bytes>(blocks, n_blocks, out);
}

void widen_q5_k_i8(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    widen_low_bits<1, Parts::blocks_with_minimum, q5_k_block_bytes>(blocks, n_blocks, out);
}

void widen_q6_k_i8(const uint8_t * blocks, int64_t n_blocks, int16_t * out) {
    widen_low_bits<2, Parts::halves, q6_k_block_bytes>(blocks, n_blocks, out);
}

}  // namespace altclip::avx512

#endif

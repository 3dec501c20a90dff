// Quantised weights as bytes for the tables with VNNI, run by run: see avx512_i8.h, and kernels.h for how blocks lie in
// memory. A type says how its values are read and, where two blocks get one multiplier, made.
#pragma once

#include <utility>

#include "kernels/avx512_i8.h"
#include "kernels/avx512_low_bits.h"

namespace altclip::avx512 {

namespace {  // each file compiles it for instructions of its own

constexpr int64_t run_blocks = i8_run / 32;
alignas(64) constexpr uint8_t zero_block[q8_block_bytes] = {};  // of the type with the largest blocks

/// Numbers of two blocks behind each other.
__m512i behind(__m256i first, __m256i second) {
    return _mm512_inserti64x4(_mm512_castsi256_si512(first), second, 1);
}

/// The low halves of 32-bit words.
__m512i pair(__m512i first, __m512i second) {
    return _mm512_mask_blend_epi16(0xaaaaaaaa, first, _mm512_slli_epi32(second, 16));
}

/// The order of 16-bit words that puts beside each of 16 the one 16 further on.
__m512i in_turn() {
    const __m512i words = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    return pair(words, _mm512_add_epi32(words, _mm512_set1_epi32(16)));
}

__m512 to_f32(__m256i numbers) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(numbers));
}

/// Two blocks, behind each other: in quarters of 14-bit integers a weight is step * v / 32 + middle, for v between -128
/// and the largest from `low` to `high`, or the other way round.
struct Blocks {
    __m512i steps, middles, low, high;
};

/// Of values of 4 + n_high bits, q = v / 2^(4 - n_high) + 8 * 2^n_high, with one multiplier or with scale and minimum.
template <int n_high, bool has_minimum>
Blocks read_blocks(const uint8_t * first, const uint8_t * second) {
    __m512i steps = behind(load_256(first), load_256(second)), middles = _mm512_setzero_si512();
    if constexpr (has_minimum) {
        // q scale - minimum, modulo 2^16
        middles = _mm512_sub_epi16(_mm512_slli_epi16(steps, 3 + n_high),
                                   behind(load_256(first + output_tile * 2), load_256(second + output_tile * 2)));
        steps = _mm512_slli_epi16(steps, 1 + n_high);
    }
    const __m512i half = _mm512_slli_epi16(steps, 2);
    return {steps, middles, _mm512_sub_epi16(middles, half),
            _mm512_sub_epi16(_mm512_add_epi16(middles, half), _mm512_srai_epi16(steps, 1 + n_high))};
}

/// The multiplier m with which all weights of two blocks are m * v / 64 for bytes v, no farther from each other than
/// v was. Its sign is such that the largest weight, which may be the only one of its size, is -128 rather than 127.
__m256i common_multiplier(const Blocks & blocks) {
    const auto larger = [](__m256i a, __m256i b) { return _mm256_max_epi16(a, b); };
    const auto smaller = [](__m256i a, __m256i b) { return _mm256_min_epi16(a, b); };
    const auto of_both = [](const auto & operation, __m512i x) {
        return operation(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1));
    };
    const __m256i zero = _mm256_setzero_si256();
    const __m256i above = larger(of_both(larger, _mm512_max_epi16(blocks.low, blocks.high)), zero);
    const __m256i least = smaller(of_both(smaller, _mm512_min_epi16(blocks.low, blocks.high)), zero);
    const __m256i below = _mm256_sub_epi16(zero, least);
    const __m256i step = of_both(larger, _mm512_abs_epi16(blocks.steps));
    const __m256i for_larger = _mm256_avg_epu16(_mm256_max_epu16(above, below), zero);  // 64 / 128, upwards
    const __m256i of_65536 = _mm256_set1_epi16(static_cast<int16_t>(33027));            // 64 / 127, upwards
    const __m256i for_smaller =
        _mm256_add_epi16(_mm256_mulhi_epu16(_mm256_min_epu16(above, below), of_65536), _mm256_set1_epi16(1));
    const __m256i size = _mm256_max_epu16(_mm256_max_epu16(for_larger, for_smaller), _mm256_add_epi16(step, step));
    return _mm256_mask_sub_epi16(size, _mm256_cmpgt_epu16_mask(above, below), zero, size);
}

/// What makes a block's v bytes under a common multiplier: 16 outputs' (factor * v * 256 / 32768 + middle) / 256,
/// downwards.
struct Scaling {
    __m512i factors, middles;
};

/// That of two blocks of a type under one multiplier, which it returns.
template <typename Type>
__m256i scale(const uint8_t * first, const uint8_t * second, Scaling & of_first, Scaling & of_second) {
    const Blocks blocks = read_blocks<Type::n_high, Type::has_minimum>(first, second);
    const __m256i multiplier = common_multiplier(blocks);
    const __m512 inverse = _mm512_div_ps(_mm512_set1_ps(1.0f), to_f32(multiplier));
    const auto scaling = [inverse](__m256i steps, __m256i middles) {
        const auto times = [inverse](float unit) { return _mm512_mul_ps(inverse, _mm512_set1_ps(unit)); };
        return Scaling{
            _mm512_cvtps_epi32(_mm512_mul_ps(to_f32(steps), times(2 * 32767.0f))),
            _mm512_cvtps_epi32(_mm512_fmadd_ps(to_f32(middles), times(64 * 256), _mm512_set1_ps(128.0f)))};  // a half
    };
    of_first = scaling(_mm512_castsi512_si256(blocks.steps), _mm512_castsi512_si256(blocks.middles));
    of_second = scaling(_mm512_extracti64x4_epi64(blocks.steps, 1), _mm512_extracti64x4_epi64(blocks.middles, 1));
    return multiplier;
}

// For all outputs at once, or for outputs 0 to 7 and 8 to 15: a Zen 4 works on more vectors of 256 bits at a time than
// on half as many of 512.
inline __m512i add_fours(__m512i sums, __m512i bytes) {
    return _mm512_dpbusd_epi32(sums, _mm512_set1_epi8(1), bytes);
}
inline __m256i add_fours(__m256i sums, __m256i bytes) {
    return _mm256_dpbusd_epi32(sums, _mm256_set1_epi8(1), bytes);
}
inline __m512i low_words(__m512i first, __m512i second) {
    return _mm512_unpacklo_epi32(first, second);
}
inline __m256i low_words(__m256i first, __m256i second) {
    return _mm256_unpacklo_epi32(first, second);
}
inline __m512i high_words(__m512i first, __m512i second) {
    return _mm512_unpackhi_epi32(first, second);
}
inline __m256i high_words(__m256i first, __m256i second) {
    return _mm256_unpackhi_epi32(first, second);
}
inline void store(uint8_t * p, __m512i x) {
    _mm512_storeu_si512(p, x);
}
inline void store(uint8_t * p, __m256i x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(p), x);
}
inline __m512i whole(const __m512i (&x)[1]) {
    return x[0];
}
inline __m512i whole(const __m256i (&halves)[2]) {
    return behind(halves[0], halves[1]);
}

/// Runs of blocks of a type, which gives four inputs by 16 outputs, or by 8 of them, eight times a block.
/// What a last run lacks is zero.
template <typename Type>
void widen_runs(const uint8_t * from, int64_t n_blocks, int16_t * out) {
    constexpr bool scaled = Type::part_inputs == 64;
    constexpr int n_parts = Type::part_inputs == 16 ? 2 : 1, shift = i8_shift<Type::part_inputs>;  // of a block
    static_assert(Type::block_bytes <= sizeof(zero_block));
    auto * run = reinterpret_cast<uint8_t *>(out);
    using Values = decltype(std::declval<Type>().values(0, 0));
    constexpr int n_halves = 64 / sizeof(Values);
    for (int64_t first = 0; first < n_blocks; first += run_blocks, run += i8_run_bytes) {
        const uint8_t * blocks[run_blocks];
        for (int64_t i = 0; i < run_blocks; ++i)
            blocks[i] = first + i < n_blocks ? from + (first + i) * Type::block_bytes : zero_block;
        Scaling scalings[run_blocks];
        __m512i multipliers;
        if constexpr (scaled) {
            __m256i common[2];
            for (int64_t i = 0; i < 2; ++i)
                common[i] = scale<Type>(blocks[i], blocks[i + 2], scalings[i], scalings[i + 2]);
            multipliers = _mm512_permutexvar_epi16(in_turn(), behind(common[0], common[1]));
            store(run + i8_multipliers, multipliers);
        }
        __m512i weight_sum = _mm512_set1_epi32(1 << (shift - 1));
        for (int64_t p = 0; p < run_blocks; p += 2) {
            const Type pair_of_blocks[2] = {{blocks[p], scalings[p]}, {blocks[p + 1], scalings[p + 1]}};
            for (int part = 0; part < n_parts; ++part) {
                Values sums[2][n_halves] = {};
#pragma GCC unroll 8
                for (int i = part * 8 / n_parts; i < (part + 1) * 8 / n_parts; ++i) {
                    for (int half = 0; half < n_halves; ++half) {
                        Values v[2];
                        for (int b = 0; b < 2; ++b) {
                            v[b] = pair_of_blocks[b].values(i, half);
                            sums[b][half] = add_fours(sums[b][half], v[b]);
                        }
                        uint8_t * row = run + i8_weights + (p * 4 + i) * 128 + half * 32;
                        store(row, low_words(v[0], v[1]));
                        store(row + 64, high_words(v[0], v[1]));
                    }
                }
                if constexpr (!scaled) {
                    const int64_t numbers = part * output_tile * 2;
                    multipliers = _mm512_permutexvar_epi16(
                        in_turn(), behind(load_256(blocks[p] + numbers), load_256(blocks[p + 1] + numbers)));
                    store(run + i8_multipliers + (p / 2 * n_parts + part) * 64, multipliers);
                }
                weight_sum = _mm512_dpwssd_epi32(weight_sum, multipliers, pair(whole(sums[0]), whole(sums[1])));
            }
        }
        weight_sum = _mm512_srai_epi32(weight_sum, shift);
        // where bytes are larger than the largest weights, high is as large as may be, and low what is left
        const __m512i high = _mm512_max_epi32(
            _mm512_min_epi32(_mm512_srai_epi32(weight_sum, 7), _mm512_set1_epi32(32767)), _mm512_set1_epi32(-32768));
        store(run + i8_weight_sum, pair(high, _mm512_sub_epi32(weight_sum, _mm512_slli_epi32(high, 7))));
    }
}

}  // namespace

}  // namespace altclip::avx512

// The inner loops of resampling for AVX2; the scalar ones in row_kernels.cpp are the reference.
//
// AVX2 multiplies 16-bit numbers in pairs, but weights have 22 bits and a sign. So weight = high * 2^15 + low with
// 0 <= low < 2^15, and both halves are summed apart. Sums wrap around at 32 bits, which is exact as the total fits.
//
// Half of that work is saved for 8 rows at once: weights rounded to 16 bits give a sum with a known bound on its error,
// and only where a pixel might round to another byte within that bound is the exact sum computed, about one in 25.
#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "image/row_kernels.h"

namespace altclip {

namespace {

constexpr int low_bits = 15;
constexpr int taps = 4;  // input pixels in one step

/// Weights of one step: high halves of its 4 taps, then low halves.
struct alignas(16) StepWeights {
    int16_t high[taps];
    int16_t low[taps];
};

/// First input pixel of a window, within the row. A type of this file, like StepWeights: templates of the standard
/// library on a shared type, compiled here for AVX2, might be linked into code for older processors.
struct Start {
    int pixel;
};

/// Rounded weights of one step.
struct RoughWeights {
    int16_t tap[taps];
};

/// What the rounded weights of a window leave open: an exact sum lies in [sum * 2^shift + low, sum * 2^shift + high].
struct Bounds {
    int32_t low;
    int32_t high;
};

/// Windows of some output pixels in whole steps, moved to the left where the last step would leave the row.
struct PackedWindows {
    int shift = 0;  // of rough weights
    std::vector<Start> start;
    std::vector<StepWeights> weights;  // [pixels, n_steps]
    std::vector<RoughWeights> rough;   // [pixels, n_steps]
    std::vector<Bounds> bounds;

    PackedWindows(const RowsView & rows, const ResampleTable & table, int begin, int end, int n_steps)
        : start(size_t(end - begin)),
          weights(size_t(end - begin) * n_steps),
          rough(size_t(end - begin) * n_steps),
          bounds(size_t(end - begin)) {
        for (const int32_t weight : table.weights) {
            while ((weight < 0 ? -weight : weight) >> shift > INT16_MAX - 1) ++shift;
        }
        const int last_start = rows.width - n_steps * taps;
        for (int pixel = begin; pixel < end; ++pixel) {
            const int first = table.first[pixel] - rows.first_pixel;
            const int moved = std::min(first, last_start);
            start[size_t(pixel - begin)].pixel = moved;
            const size_t offset = size_t(pixel - begin) * n_steps;
            int32_t low = 0, high = 0;
            for (int i = 0; i < table.length[pixel]; ++i) {
                const int tap = first - moved + i;
                const int32_t weight = table.weights_of(pixel)[i];
                StepWeights & step = weights[offset + size_t(tap / taps)];
                step.high[tap % taps] = int16_t(weight >> low_bits);
                step.low[tap % taps] = int16_t(weight & ((1 << low_bits) - 1));
                const int32_t rounded = (weight + ((1 << shift) >> 1)) >> shift;
                rough[offset + size_t(tap / taps)].tap[tap % taps] = int16_t(rounded);
                const int32_t error = weight - rounded * (1 << shift);
                (error < 0 ? low : high) += 255 * error;
            }
            constexpr int32_t half = 1 << (resample_precision_bits - 1);
            bounds[size_t(pixel - begin)] = {low + half, high + half};
        }
    }
};

/// Halves and sum of 8 totals.
struct Sums {
    __m256i high = _mm256_setzero_si256();
    __m256i low = _mm256_setzero_si256();

    void add(__m256i pixels, __m256i high_weights, __m256i low_weights) {
        high = _mm256_add_epi32(high, _mm256_madd_epi16(pixels, high_weights));
        low = _mm256_add_epi32(low, _mm256_madd_epi16(pixels, low_weights));
    }
    __m256i total() const { return _mm256_add_epi32(_mm256_slli_epi32(high, low_bits), low); }
};

/// Shuffles 4 pixels into 16-bit pairs of a channel: r0r1 g0g1 b0b1 -- in the low half, r2r3 g2g3 b2b3 -- in the high.
__m256i channel_pairs() {
    return _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, 6, -1, 9, -1, 7, -1, 10, -1, 8,
                            -1, 11, -1, -1, -1, -1, -1);
}

/// One output pixel of `n_rows` rows; `in` is the first byte of its window in the first row.
template <int n_rows>
void resample_pixel(const uint8_t * in, size_t stride, const StepWeights * steps, int n_steps, uint8_t * out,
                    size_t out_stride) {
    const __m256i pairs = channel_pairs();
    const __m256i high_pairs = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
    const __m256i low_pairs = _mm256_setr_epi32(2, 2, 2, 2, 3, 3, 3, 3);
    const __m128i pixels_only = _mm_setr_epi32(-1, -1, -1, 0);
    Sums sums[n_rows];
    for (int step = 0; step < n_steps; ++step, in += 3 * taps) {
        const __m256i weights =
            _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i *>(steps + step)));
        const __m256i high = _mm256_permutevar8x32_epi32(weights, high_pairs);
        const __m256i low = _mm256_permutevar8x32_epi32(weights, low_pairs);
        const bool last = step + 1 == n_steps;  // 16 bytes hold 5 pixels and a third, and may leave the row here
        for (int y = 0; y < n_rows; ++y) {
            const uint8_t * const from = in + size_t(y) * stride;
            const __m128i bytes = last ? _mm_maskload_epi32(reinterpret_cast<const int *>(from), pixels_only)
                                       : _mm_loadu_si128(reinterpret_cast<const __m128i *>(from));
            sums[y].add(_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(bytes), pairs), high, low);
        }
    }
    const __m128i half = _mm_set1_epi32(1 << (resample_precision_bits - 1));
    for (int y = 0; y < n_rows; ++y) {
        const __m256i total = sums[y].total();
        __m128i rgb = _mm_add_epi32(_mm256_castsi256_si128(total), _mm256_extracti128_si256(total, 1));
        rgb = _mm_srai_epi32(_mm_add_epi32(rgb, half), resample_precision_bits);
        rgb = _mm_packs_epi32(rgb, rgb);
        const int bytes = _mm_cvtsi128_si32(_mm_packus_epi16(rgb, rgb));
        std::memcpy(out + size_t(y) * out_stride, &bytes, 3);
    }
}

constexpr int rough_rows = 8;

/// One output pixel of 8 rows by rounded weights, 4 bytes a row. Returns a bit for each row whose pixel they leave
/// open.
unsigned resample_pixel_roughly(const uint8_t * in, size_t stride, const RoughWeights * steps, int n_steps, int shift,
                                const Bounds & bounds, int32_t * out) {
    const __m256i pairs = channel_pairs();
    const __m256i weight_pairs = _mm256_setr_epi8(0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 6,
                                                  7, 4, 5, 6, 7, 4, 5, 6, 7);
    const auto weights_of = [&](int step) {
        int64_t bytes;
        std::memcpy(&bytes, steps + step, sizeof bytes);
        return _mm256_shuffle_epi8(_mm256_set1_epi64x(bytes), weight_pairs);
    };
    __m256i sums[rough_rows];
    for (__m256i & sum : sums) sum = _mm256_setzero_si256();
    for (int step = 0; step + 1 < n_steps; ++step, in += 3 * taps) {
        const __m256i weights = weights_of(step);
        for (int y = 0; y < rough_rows; ++y) {
            const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i *>(in + size_t(y) * stride));
            const __m256i pixels = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(bytes), pairs);
            sums[y] = _mm256_add_epi32(sums[y], _mm256_madd_epi16(pixels, weights));
        }
    }
    const __m256i weights = weights_of(n_steps - 1);
    const __m128i pixels_only = _mm_setr_epi32(-1, -1, -1, 0);  // a whole load might leave the row here
    for (int y = 0; y < rough_rows; ++y) {
        const __m128i bytes = _mm_maskload_epi32(reinterpret_cast<const int *>(in + size_t(y) * stride), pixels_only);
        const __m256i pixels = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(bytes), pairs);
        sums[y] = _mm256_add_epi32(sums[y], _mm256_madd_epi16(pixels, weights));
    }

    const __m256i low_bound = _mm256_set1_epi32(bounds.low), high_bound = _mm256_set1_epi32(bounds.high);
    __m256i low[rough_rows / 2], high[rough_rows / 2];  // of two rows each
    for (int i = 0; i < rough_rows / 2; ++i) {
        const __m256i a = sums[2 * i], b = sums[2 * i + 1];
        const __m256i sum =
            _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20), _mm256_permute2x128_si256(a, b, 0x31));
        const __m256i total = _mm256_sll_epi32(sum, _mm_cvtsi32_si128(shift));
        low[i] = _mm256_srai_epi32(_mm256_add_epi32(total, low_bound), resample_precision_bits);
        high[i] = _mm256_srai_epi32(_mm256_add_epi32(total, high_bound), resample_precision_bits);
    }
    const auto bytes_of = [](const __m256i * rows) {  // rows 0 2 4 6, then 1 3 5 7
        return _mm256_packus_epi16(_mm256_packs_epi32(rows[0], rows[1]), _mm256_packs_epi32(rows[2], rows[3]));
    };
    const __m256i least = bytes_of(low), most = bytes_of(high);
    const __m256i in_order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(out), _mm256_permutevar8x32_epi32(least, in_order));
    const __m256i same = _mm256_permutevar8x32_epi32(_mm256_cmpeq_epi32(least, most), in_order);
    return unsigned(~_mm256_movemask_ps(_mm256_castsi256_ps(same))) & 0xffu;
}

}  // namespace

void resample_rows_rgb8_avx2(const RowsView & rows, const ResampleTable & table, uint8_t * out) {
    int longest = 0;
    for (const int length : table.length) longest = std::max(longest, length);
    const int n_steps = (longest + taps - 1) / taps;
    if (rows.width < n_steps * taps) {
        resample_rows_rgb8_scalar(rows, table, out);
        return;
    }
    constexpr int block = 512;  // output pixels whose weights are packed at once, to bound the memory
    const int n_pixels = int(table.first.size());
    const size_t out_stride = size_t(n_pixels) * 3;
    for (int begin = 0; begin < n_pixels; begin += block) {
        const int end = std::min(begin + block, n_pixels);
        const PackedWindows windows(rows, table, begin, end, n_steps);
        const auto run = [&](auto resample, int y) {
            const uint8_t * const row = rows.data + size_t(y) * rows.stride;
            uint8_t * to = out + size_t(y) * out_stride + size_t(begin) * 3;
            for (int i = 0; i < end - begin; ++i, to += 3) {
                resample(row + size_t(windows.start[size_t(i)].pixel) * 3, rows.stride,
                         windows.weights.data() + size_t(i) * n_steps, n_steps, to, out_stride);
            }
        };
        int y = 0;
        for (; y + rough_rows <= rows.n_rows; y += rough_rows) {
            const uint8_t * const row = rows.data + size_t(y) * rows.stride;
            uint8_t * to = out + size_t(y) * out_stride + size_t(begin) * 3;
            for (int i = 0; i < end - begin; ++i, to += 3) {
                const uint8_t * const in = row + size_t(windows.start[size_t(i)].pixel) * 3;
                const size_t offset = size_t(i) * n_steps;
                int32_t pixels[rough_rows];
                unsigned open = resample_pixel_roughly(in, rows.stride, windows.rough.data() + offset, n_steps,
                                                       windows.shift, windows.bounds[size_t(i)], pixels);
                for (int k = 0; k < rough_rows; ++k) std::memcpy(to + size_t(k) * out_stride, pixels + k, 3);
                for (int k = 0; open != 0; ++k, open >>= 1) {
                    if (open & 1) {
                        resample_pixel<1>(in + size_t(k) * rows.stride, rows.stride, windows.weights.data() + offset,
                                          n_steps, to + size_t(k) * out_stride, out_stride);
                    }
                }
            }
        }
        for (; y + 4 <= rows.n_rows; y += 4) run(resample_pixel<4>, y);
        for (; y < rows.n_rows; ++y) run(resample_pixel<1>, y);
    }
}

void blend_rows_u8_avx2(const uint8_t * rows, size_t stride, const int32_t * weights, int n_rows, int n_bytes,
                        uint8_t * out) {
    constexpr int block = 32;
    const __m256i half = _mm256_set1_epi32(1 << (resample_precision_bits - 1));
    const auto pair_of = [](int32_t first, int32_t second) {
        return _mm256_set1_epi32(int32_t(uint32_t(first & 0xffff) | uint32_t(second) << 16));
    };
    int column = 0;
    for (; column + block <= n_bytes; column += block) {
        Sums sums[4];  // of 8 columns each
        for (int y = 0; y < n_rows; y += 2) {
            const bool paired = y + 1 < n_rows;
            const uint8_t * const row = rows + size_t(y) * stride + column;
            const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(row));
            const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(paired ? row + stride : row));
            const int32_t second = paired ? weights[y + 1] : 0;
            const __m256i high = pair_of(weights[y] >> low_bits, second >> low_bits);
            constexpr int32_t low_mask = (1 << low_bits) - 1;
            const __m256i low = pair_of(weights[y] & low_mask, second & low_mask);
            const __m256i zero = _mm256_setzero_si256();
            const __m256i front = _mm256_unpacklo_epi8(a, b);  // columns 0-7 and 16-23, bytes of both rows in turn
            const __m256i back = _mm256_unpackhi_epi8(a, b);
            sums[0].add(_mm256_unpacklo_epi8(front, zero), high, low);
            sums[1].add(_mm256_unpackhi_epi8(front, zero), high, low);
            sums[2].add(_mm256_unpacklo_epi8(back, zero), high, low);
            sums[3].add(_mm256_unpackhi_epi8(back, zero), high, low);
        }
        __m256i columns[4];
        for (int i = 0; i < 4; ++i) {
            columns[i] = _mm256_srai_epi32(_mm256_add_epi32(sums[i].total(), half), resample_precision_bits);
        }
        const __m256i bytes =
            _mm256_packus_epi16(_mm256_packs_epi32(columns[0], columns[1]), _mm256_packs_epi32(columns[2], columns[3]));
        _mm256_storeu_si256(reinterpret_cast<__m256i *>(out + column), bytes);
    }
    if (column < n_bytes) {
        blend_rows_u8_scalar(rows + column, stride, weights, n_rows, n_bytes - column, out + column);
    }
}

}  // namespace altclip
#endif

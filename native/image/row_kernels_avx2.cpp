// The inner loops of resampling for AVX2; the scalar ones in row_kernels.cpp are the reference.
//
// AVX2 multiplies 16-bit numbers in pairs, but weights have 22 bits and a sign. Going down, weight = high * 2^15 + low
// with 0 <= low < 2^15, and both halves are summed apart. Sums wrap around at 32 bits, which is exact as the total
// fits.
//
// Going along rows, where the work is, half of that is saved: weights rounded to 16 bits give a sum with a known bound
// on its error, and only where a pixel might round to another byte within that bound is the exact sum computed, about
// one in 25. Eight rows lie side by side in a register, so that nothing is left to add up at a window's end; a pixel,
// which four windows share in a bicubic resize, is brought into that order once.
#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <vector>

#include "image/row_kernels.h"

namespace altclip {

namespace {

constexpr int low_bits = 15;
constexpr int lanes = 8;            // rows side by side
constexpr int chunk_pixels = 1024;  // that are in order at once

// Types of this file: templates of the standard library on shared ones, compiled here for AVX2, might be linked into
// code for older processors.

/// Two neighbouring 16-bit numbers.
struct Pair {
    int16_t first;
    int16_t second;
};

/// Where a window lies, and what its rounded weights leave open: an exact sum lies in
/// [sum * 2^shift + low, sum * 2^shift + high].
struct PixelWindow {
    int first;  // input pixel, within the row
    int start;  // the same, or one before it: even
    int32_t low;
    int32_t high;
};

/// Windows of output pixels [begin, end), with their weights rounded, in pairs from an even input pixel on.
struct RoughWindows {
    int shift = 0;
    int n_pairs = 0;  // of each window
    std::vector<PixelWindow> windows;
    std::vector<Pair> weights;  // [pixels, n_pairs]

    RoughWindows(const RowsView & rows, const ResampleTable & table, int begin, int end)
        : windows(size_t(end - begin)) {
        int longest = 0;
        for (int pixel = begin; pixel < end; ++pixel) longest = std::max(longest, table.length[pixel]);
        n_pairs = longest / 2 + 1;
        weights.resize(windows.size() * size_t(n_pairs));
        for (const int32_t weight : table.weights) {
            while ((weight < 0 ? -weight : weight) >> shift > INT16_MAX - 1) ++shift;
        }
        for (int pixel = begin; pixel < end; ++pixel) {
            const int first = table.first[pixel] - rows.first_pixel;
            const int start = first & ~1;
            int16_t * const taps = &weights[size_t(pixel - begin) * n_pairs].first + (first - start);
            int32_t low = 0, high = 0;
            for (int i = 0; i < table.length[pixel]; ++i) {
                const int32_t weight = table.weights_of(pixel)[i];
                const int32_t rounded = (weight + ((1 << shift) >> 1)) >> shift;
                taps[i] = int16_t(rounded);
                const int32_t error = weight - rounded * (1 << shift);
                (error < 0 ? low : high) += 255 * error;
            }
            constexpr int32_t half = 1 << (resample_precision_bits - 1);
            windows[size_t(pixel - begin)] = {first, start, low + half, high + half};
        }
    }
};

/// Pixels of 8 rows from `begin` on, in pairs: a vector for each channel, in it pixels 2i and 2i + 1 of each row.
class Chunk {
public:
    Chunk() : vectors_(size_t(chunk_pixels / 2) * 3) {}

    bool holds(int start, int n_pairs) const { return begin_ >= 0 && start + 2 * n_pairs <= begin_ + chunk_pixels; }
    const __m256i * at(int pixel) const { return &vectors_[size_t(pixel - begin_) / 2 * 3].lanes; }
    void forget() { begin_ = -1; }

    /// Where a row ends, what lies in the chunk beyond it is anything.
    void load(const uint8_t * const * rows, int width, int begin) {
        begin_ = begin;
        const int n = std::min(chunk_pixels, width - begin);
        __m256i * out = &vectors_[0].lanes;
        int pixel = 0;
        for (; pixel + 4 <= n && begin + pixel + 6 <= width; pixel += 4, out += 6) {
            const size_t offset = size_t(begin + pixel) * 3;  // 16 bytes from there on lie in the row
            const auto load = [&](int y) {
                return _mm_loadu_si128(reinterpret_cast<const __m128i *>(rows[y] + offset));
            };
            order_4_pixels(load, out);
        }
        for (; pixel < n; pixel += 4, out += 6) {
            const size_t offset = size_t(begin + pixel) * 3;
            const size_t n_bytes = size_t(std::min(4, n - pixel)) * 3;
            const auto load = [&](int y) {
                alignas(16) uint8_t bytes[16] = {};
                std::memcpy(bytes, rows[y] + offset, n_bytes);
                return _mm_load_si128(reinterpret_cast<const __m128i *>(bytes));
            };
            order_4_pixels(load, out);
        }
    }

private:
    struct alignas(32) Vector {
        __m256i lanes;
    };

    /// `load(y)` gives row y's next 4 pixels in its first 12 bytes.
    template <typename Load>
    static void order_4_pixels(Load load, __m256i * out) {
        // r01 g01 b01 r23 g23 b23, where r01 is the red bytes of pixels 0 and 1
        const __m256i pairs =
            _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11, -1, -1, -1, -1));
        const auto two_rows = [&](int y) {
            return _mm256_shuffle_epi8(_mm256_inserti128_si256(_mm256_castsi128_si256(load(y)), load(y + 4), 1), pairs);
        };
        const __m256i rows_04 = two_rows(0), rows_15 = two_rows(1), rows_26 = two_rows(2), rows_37 = two_rows(3);
        const __m256i front_01 = _mm256_unpacklo_epi16(rows_04, rows_15),
                      back_01 = _mm256_unpackhi_epi16(rows_04, rows_15);
        const __m256i front_23 = _mm256_unpacklo_epi16(rows_26, rows_37),
                      back_23 = _mm256_unpackhi_epi16(rows_26, rows_37);
        const __m256i rg01 = _mm256_unpacklo_epi32(front_01, front_23);
        const __m256i b01_r23 = _mm256_unpackhi_epi32(front_01, front_23);
        const __m256i gb23 = _mm256_unpacklo_epi32(back_01, back_23);
        const __m256i zero = _mm256_setzero_si256();
        for (const __m256i two : {rg01, b01_r23, gb23}) {
            _mm256_store_si256(out++, _mm256_unpacklo_epi8(two, zero));
            _mm256_store_si256(out++, _mm256_unpackhi_epi8(two, zero));
        }
    }

    int begin_ = -1;
    std::vector<Vector> vectors_;
};

/// One output pixel, exactly.
void resample_pixel(const uint8_t * in, const int32_t * weights, int length, uint8_t * out) {
    const auto load = [](const void * from, auto number) {
        std::memcpy(&number, from, sizeof number);
        return number;
    };
    const __m256i pixel_of_weight = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
    const __m128i two_pixels = _mm_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    __m256i sums = _mm256_setzero_si256();
    int i = 0;
    for (; i + 2 < length; i += 2, in += 6) {  // 8 bytes hold two pixels and more, and may leave the row at its end
        const __m128i bytes = _mm_shuffle_epi8(_mm_cvtsi64_si128(load(in, int64_t())), two_pixels);
        const __m128i pair = _mm_cvtsi64_si128(load(weights + i, int64_t()));
        const __m256i spread = _mm256_permutevar8x32_epi32(_mm256_castsi128_si256(pair), pixel_of_weight);
        sums = _mm256_add_epi32(sums, _mm256_mullo_epi32(_mm256_cvtepu8_epi32(bytes), spread));
    }
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    for (; i < length; ++i, in += 3) {
        const __m128i rgb = _mm_setr_epi32(in[0], in[1], in[2], 0);
        sum = _mm_add_epi32(sum, _mm_mullo_epi32(rgb, _mm_set1_epi32(weights[i])));
    }
    sum = _mm_add_epi32(sum, _mm_set1_epi32(1 << (resample_precision_bits - 1)));
    const __m128i levels = _mm_srai_epi32(sum, resample_precision_bits);
    const __m128i words = _mm_packs_epi32(levels, levels);
    const int bytes = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
    std::memcpy(out, &bytes, 3);
}

/// One output pixel of 8 rows by rounded weights, 4 bytes a row. Returns a bit for each row whose pixel they leave
/// open.
unsigned resample_roughly(const __m256i * in, const Pair * weights, int n_pairs, int shift, const PixelWindow & window,
                          int32_t * out) {
    __m256i r = _mm256_setzero_si256(), g = r, b = r;
    for (const Pair * const end = weights + n_pairs; weights != end; ++weights, in += 3) {
        int32_t both;
        std::memcpy(&both, weights, sizeof both);
        const __m256i pair = _mm256_set1_epi32(both);
        r = _mm256_add_epi32(r, _mm256_madd_epi16(in[0], pair));
        g = _mm256_add_epi32(g, _mm256_madd_epi16(in[1], pair));
        b = _mm256_add_epi32(b, _mm256_madd_epi16(in[2], pair));
    }
    const __m128i count = _mm_cvtsi32_si128(shift);
    r = _mm256_sll_epi32(r, count);
    g = _mm256_sll_epi32(g, count);
    b = _mm256_sll_epi32(b, count);
    const __m256i rgb_ =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 4, 8, -1, 1, 5, 9, -1, 2, 6, 10, -1, 3, 7, 11, -1));
    const auto pixels = [&](int32_t bound) {
        const auto level = [bound = _mm256_set1_epi32(bound)](__m256i sum) {
            return _mm256_srai_epi32(_mm256_add_epi32(sum, bound), resample_precision_bits);
        };
        const __m256i rg = _mm256_packs_epi32(level(r), level(g));
        return _mm256_shuffle_epi8(_mm256_packus_epi16(rg, _mm256_packs_epi32(level(b), level(b))), rgb_);
    };
    const __m256i least = pixels(window.low);
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(out), least);
    const __m256i same = _mm256_cmpeq_epi32(least, pixels(window.high));
    return ~unsigned(_mm256_movemask_ps(_mm256_castsi256_ps(same))) & 0xffu;
}

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

}  // namespace

void resample_rows_rgb8_avx2(const RowsView & rows, const ResampleTable & table, uint8_t * out) {
    constexpr int block = 512;  // output pixels whose weights are rounded at once, to bound the memory
    const int n_pixels = int(table.first.size());
    const size_t out_stride = size_t(n_pixels) * 3;
    Chunk chunk;
    for (int begin = 0; begin < n_pixels; begin += block) {
        const int end = std::min(begin + block, n_pixels);
        const RoughWindows rough(rows, table, begin, end);
        const bool fits = 2 * rough.n_pairs <= chunk_pixels;
        for (int y = 0; y < rows.n_rows; y += lanes) {
            const int n_rows = std::min(lanes, rows.n_rows - y);
            const uint8_t * row[lanes];
            for (int k = 0; k < lanes; ++k) row[k] = rows.data + size_t(y + std::min(k, n_rows - 1)) * rows.stride;
            chunk.forget();
            for (int pixel = begin; pixel < end; ++pixel) {
                const PixelWindow & window = rough.windows[size_t(pixel - begin)];
                uint8_t * const to = out + size_t(y) * out_stride + size_t(pixel) * 3;
                unsigned open = 0xff;
                if (fits) {
                    if (!chunk.holds(window.start, rough.n_pairs)) chunk.load(row, rows.width, window.start);
                    int32_t pixels[lanes];
                    open =
                        resample_roughly(chunk.at(window.start), &rough.weights[size_t(pixel - begin) * rough.n_pairs],
                                         rough.n_pairs, rough.shift, window, pixels);
                    for (int k = 0; k < n_rows; ++k) std::memcpy(to + size_t(k) * out_stride, pixels + k, 3);
                }
                open &= (1u << n_rows) - 1;
                for (int k = 0; open != 0; ++k, open >>= 1) {
                    if (open & 1) {
                        resample_pixel(row[k] + size_t(window.first) * 3, table.weights_of(pixel), table.length[pixel],
                                       to + size_t(k) * out_stride);
                    }
                }
            }
        }
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

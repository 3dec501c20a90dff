// Resampling along rows for AVX-512 with VNNI; the scalar loop in row_kernels.cpp is the reference.
//
// vpdpbusd adds up four products of an unsigned with a signed byte. Pixels are bytes; a weight, of 22 bits and a sign,
// is three digits to the base 256, -128 to 127 each, whose sums are kept apart. All of them wrap around at 32 bits,
// which is exact as the total fits. Sixteen rows lie side by side in a register, so that nothing is left to add up at a
// window's end; a pixel, which four windows share in a bicubic resize, is brought into that order once.
#if (defined(__x86_64__) || defined(_M_X64)) && !defined(ALTCLIP_SIMDE)
#include <immintrin.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "image/row_kernels.h"

namespace altclip {

namespace {

constexpr int lanes = 16;           // rows side by side
constexpr int chunk_pixels = 1024;  // that are in order at once
constexpr int n_digits = 3;

// Types of this file: templates of the standard library on shared ones, compiled here for AVX-512, might be linked into
// code for older processors.

/// A digit of the weights of four neighbouring pixels.
struct FourDigits {
    int8_t of[4];
};

/// Windows of output pixels [begin, end), their weights in fours from an input pixel on that is a multiple of four.
struct DigitWindows {
    int n_fours = 0;                  // of each window
    bool fits = true;                 // whether every weight has three digits
    std::vector<FourDigits> weights;  // [pixels, n_fours, digits], the lowest digit first

    DigitWindows(const RowsView & rows, const ResampleTable & table, int begin, int end) {
        int longest = 0;
        for (int pixel = begin; pixel < end; ++pixel) longest = std::max(longest, table.length[pixel]);
        n_fours = (longest + 6) / 4;
        weights.resize(size_t(end - begin) * size_t(n_fours) * n_digits);
        for (int pixel = begin; pixel < end; ++pixel) {
            FourDigits * const window = &weights[size_t(pixel - begin) * size_t(n_fours) * n_digits];
            const int skipped = (table.first[pixel] - rows.first_pixel) % 4;
            for (int i = 0; i < table.length[pixel]; ++i) {
                int32_t rest = table.weights_of(pixel)[i];
                const int at = skipped + i;
                for (int digit = 0; digit < n_digits; ++digit) {
                    const auto low = int8_t(uint8_t(rest & 0xff));
                    window[at / 4 * n_digits + digit].of[at % 4] = low;
                    rest = (rest - low) >> 8;
                }
                fits = fits && rest == 0;
            }
        }
    }
};

/// Pixels of 16 rows from `begin` on, in fours: a vector for each channel, in it pixels 4i to 4i + 3 of each row.
class Chunk {
public:
    Chunk() : vectors_(size_t(chunk_pixels / 4) * 3) {}

    bool holds(int start, int n_fours) const { return begin_ >= 0 && start + 4 * n_fours <= begin_ + chunk_pixels; }
    const __m512i * at(int pixel) const { return &vectors_[size_t(pixel - begin_) / 4 * 3].lanes; }
    void forget() { begin_ = -1; }

    /// Where a row ends, what lies in the chunk beyond it is anything.
    void load(const uint8_t * const * rows, int width, int begin) {
        begin_ = begin;
        const int n = std::min(chunk_pixels, width - begin);
        __m512i * out = &vectors_[0].lanes;
        int pixel = 0;
        for (; pixel + 4 <= n && begin + pixel + 6 <= width; pixel += 4, out += 3) {
            const size_t offset = size_t(begin + pixel) * 3;  // 16 bytes from there on lie in the row
            order_4_pixels([&](int y) { return _mm_loadu_si128(reinterpret_cast<const __m128i *>(rows[y] + offset)); },
                           out);
        }
        for (; pixel < n; pixel += 4, out += 3) {
            const size_t offset = size_t(begin + pixel) * 3;
            const auto there = __mmask16((1u << 3 * std::min(4, n - pixel)) - 1);
            order_4_pixels([&](int y) { return _mm_maskz_loadu_epi8(there, rows[y] + offset); }, out);
        }
    }

private:
    struct alignas(64) Vector {
        __m512i lanes;
    };

    /// `load(y)` gives row y's next 4 pixels in its first 12 bytes.
    template <typename Load>
    static void order_4_pixels(Load load, __m512i * out) {
        const __m512i channels =
            _mm512_broadcast_i32x4(_mm_setr_epi8(0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11, -1, -1, -1, -1));
        const auto four_rows = [&](int y) {
            __m512i rows = _mm512_castsi128_si512(load(y));
            rows = _mm512_inserti32x4(rows, load(y + 4), 1);
            rows = _mm512_inserti32x4(rows, load(y + 8), 2);
            rows = _mm512_inserti32x4(rows, load(y + 12), 3);
            return _mm512_shuffle_epi8(rows, channels);
        };
        const __m512i a = four_rows(0), b = four_rows(1), c = four_rows(2), d = four_rows(3);
        const __m512i rg_ab = _mm512_unpacklo_epi32(a, b), rg_cd = _mm512_unpacklo_epi32(c, d);
        _mm512_store_si512(out, _mm512_unpacklo_epi64(rg_ab, rg_cd));
        _mm512_store_si512(out + 1, _mm512_unpackhi_epi64(rg_ab, rg_cd));
        _mm512_store_si512(out + 2, _mm512_unpacklo_epi64(_mm512_unpackhi_epi32(a, b), _mm512_unpackhi_epi32(c, d)));
    }

    int begin_ = -1;
    std::vector<Vector> vectors_;
};

/// Sums of one channel of 16 rows, a digit of the weights each.
struct Sums {
    __m512i digits[n_digits] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};

    void add(__m512i pixels, const __m512i * weights) {
        for (int i = 0; i < n_digits; ++i) digits[i] = _mm512_dpbusd_epi32(digits[i], pixels, weights[i]);
    }
    /// Levels, not yet bounded by 0 and 255.
    __m512i levels() const {
        const __m512i half = _mm512_set1_epi32(1 << (resample_precision_bits - 1));
        const __m512i high = _mm512_add_epi32(_mm512_slli_epi32(digits[2], 8), digits[1]);
        const __m512i sum = _mm512_add_epi32(_mm512_slli_epi32(high, 8), digits[0]);
        return _mm512_srai_epi32(_mm512_add_epi32(sum, half), resample_precision_bits);
    }
};

/// One output pixel of 16 rows, 4 bytes a row.
__m512i resample_16_rows(const __m512i * in, const FourDigits * weights, int n_fours) {
    Sums r, g, b;
    for (int i = 0; i < n_fours; ++i, in += 3, weights += n_digits) {
        __m512i spread[n_digits];
        for (int digit = 0; digit < n_digits; ++digit) {
            int32_t four;
            std::memcpy(&four, weights + digit, sizeof four);
            spread[digit] = _mm512_set1_epi32(four);
        }
        r.add(in[0], spread);
        g.add(in[1], spread);
        b.add(in[2], spread);
    }
    const __m512i rgb_ = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, -1, 1, 5, 9, -1, 2, 6, 10, -1, 3, 7, 11, -1));
    const __m512i blue = b.levels();
    const __m512i words = _mm512_packs_epi32(r.levels(), g.levels());
    return _mm512_shuffle_epi8(_mm512_packus_epi16(words, _mm512_packs_epi32(blue, blue)), rgb_);
}

}  // namespace

void resample_rows_rgb8_avx512_vnni(const RowsView & rows, const ResampleTable & table, uint8_t * out) {
    constexpr int block = 512;  // output pixels whose weights are taken apart at once, to bound the memory
    const int n_pixels = int(table.first.size());
    const size_t out_stride = size_t(n_pixels) * 3;
    Chunk chunk;
    for (int begin = 0; begin < n_pixels; begin += block) {
        const int end = std::min(begin + block, n_pixels);
        const DigitWindows windows(rows, table, begin, end);
        if (!windows.fits || 4 * windows.n_fours > chunk_pixels) return resample_rows_rgb8_avx2(rows, table, out);
        for (int y = 0; y < rows.n_rows; y += lanes) {
            const int n_rows = std::min(lanes, rows.n_rows - y);
            const uint8_t * row[lanes];
            for (int k = 0; k < lanes; ++k) row[k] = rows.data + size_t(y + std::min(k, n_rows - 1)) * rows.stride;
            chunk.forget();
            for (int pixel = begin; pixel < end; ++pixel) {
                const int start = (table.first[pixel] - rows.first_pixel) / 4 * 4;
                if (!chunk.holds(start, windows.n_fours)) chunk.load(row, rows.width, start);
                const FourDigits * const weights =
                    &windows.weights[size_t(pixel - begin) * size_t(windows.n_fours) * n_digits];
                alignas(64) int32_t pixels[lanes];
                _mm512_store_si512(pixels, resample_16_rows(chunk.at(start), weights, windows.n_fours));
                uint8_t * const to = out + size_t(y) * out_stride + size_t(pixel) * 3;
                for (int k = 0; k < n_rows; ++k) std::memcpy(to + size_t(k) * out_stride, pixels + k, 3);
            }
        }
    }
}

}  // namespace altclip
#endif

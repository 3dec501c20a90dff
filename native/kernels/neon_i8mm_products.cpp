// The NEON table with i8mm: smmla multiplies eight inputs of two tokens with those of two outputs.
#if defined(__aarch64__) || defined(_M_ARM64)

#include "kernels/neon_byte_tile.h"

namespace altclip {

namespace neon {

namespace {

/// Sum I holds two outputs, I % 4 * 2 and the next, of token I / 4 * 2 and then of the next token.
struct MatrixStep {
    static constexpr int64_t depth = 8;

    struct Weights {
        int8x16_t v[4];
        explicit Weights(const int8_t * w) : v{vld1q_s8(w), vld1q_s8(w + 16), vld1q_s8(w + 32), vld1q_s8(w + 48)} {}
    };
    struct Tokens {
        int8x16_t v[3];
        explicit Tokens(const int8_t * a) : v{vld1q_s8(a), vld1q_s8(a + 16), vld1q_s8(a + 32)} {}
    };
    template <int I>
    static int32x4_t multiply_add(int32x4_t sum, const Weights & w, const Tokens & x) {
        return vmmlaq_s32(sum, x.v[I / 4], w.v[I % 4]);
    }

    struct Multipliers {
        float32x4_t v[4];
        explicit Multipliers(const float * m) : v{twice(m), twice(m + 2), twice(m + 4), twice(m + 6)} {}
        float32x4_t of(int i) const { return v[i % 4]; }
        static float32x4_t twice(const float * m) { return vcombine_f32(vld1_f32(m), vld1_f32(m)); }
    };

    /// Pairs of inputs [16][output_tile] to eights [4][output_tile].
    static void order(const int16_t * pairs, int16_t * out) {
        for (int64_t i = 0; i < q8_block / 8; ++i, pairs += 4 * output_tile) {
            for (int64_t j = 0; j < output_tile; j += 8, out += 32) {
                const int16x8x4_t eights = {vld1q_s16(pairs + j), vld1q_s16(pairs + output_tile + j),
                                            vld1q_s16(pairs + 2 * output_tile + j),
                                            vld1q_s16(pairs + 3 * output_tile + j)};
                vst4q_s16(out, eights);
            }
        }
    }

    static void store(const float32x4_t * totals, float * results) {
        for (int64_t i = 0; i < n_sums; ++i) {
            float * y = results + i / 4 * 2 * half_tile + i % 4 * 2;
            vst1_f32(y, vget_low_f32(totals[i]));
            vst1_f32(y + half_tile, vget_high_f32(totals[i]));
        }
    }
};

}  // namespace

}  // namespace neon

constexpr KernelTable neon_i8mm_kernels = [] {
    KernelTable table = neon::table();
    table.pack_bytes = neon::pack_bytes<neon::MatrixStep>;
    table.widen_bytes = neon::widen_bytes<neon::MatrixStep>;
    table.product_bytes = neon::product_bytes<neon::MatrixStep>;
    return table;
}();

}  // namespace altclip

#endif

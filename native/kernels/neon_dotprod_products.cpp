// The NEON table with dotprod: sdot multiplies 16 bytes, four inputs of four outputs with those of one token.
#if defined(__aarch64__) || defined(_M_ARM64)

#include "kernels/neon_byte_tile.h"

namespace altclip {

namespace neon {

namespace {

/// Sum I holds outputs I % 2 * 4 ... + 3 of token I / 2.
struct DotStep {
    static constexpr int64_t depth = 4;

    struct Weights {
        int8x16_t v[2];
        explicit Weights(const int8_t * w) : v{vld1q_s8(w), vld1q_s8(w + 16)} {}
    };
    struct Tokens {
        int8x16_t first;
        int8x8_t last;
        explicit Tokens(const int8_t * a) : first(vld1q_s8(a)), last(vld1_s8(a + 16)) {}
    };
    template <int I>
    static int32x4_t multiply_add(int32x4_t sum, const Weights & w, const Tokens & x) {
        constexpr int token = I / 2;
        if constexpr (token < 4) {
            return vdotq_laneq_s32(sum, w.v[I % 2], x.first, token);
        } else {
            return vdotq_lane_s32(sum, w.v[I % 2], x.last, token - 4);
        }
    }

    struct Multipliers {
        float32x4_t v[2];
        explicit Multipliers(const float * m) : v{vld1q_f32(m), vld1q_f32(m + 4)} {}
        float32x4_t of(int i) const { return v[i % 2]; }
    };

    /// Pairs of inputs [16][output_tile] to fours [8][output_tile].
    static void order(const int16_t * pairs, int16_t * out) {
        for (int64_t i = 0; i < q8_block / 4; ++i, pairs += 2 * output_tile) {
            for (int64_t j = 0; j < output_tile; j += 8, out += 16) {
                const int16x8x2_t fours = {vld1q_s16(pairs + j), vld1q_s16(pairs + output_tile + j)};
                vst2q_s16(out, fours);
            }
        }
    }

    static void store(const float32x4_t * totals, float * results) {
        for (int64_t i = 0; i < n_sums; ++i) vst1q_f32(results + i * 4, totals[i]);
    }
};

}  // namespace

}  // namespace neon

constexpr KernelTable neon_dotprod_kernels = [] {
    KernelTable table = neon::table();
    table.pack_bytes = neon::pack_bytes<neon::DotStep>;
    table.widen_bytes = neon::widen_bytes<neon::DotStep>;
    table.product_bytes = neon::product_bytes<neon::DotStep>;
    return table;
}();

}  // namespace altclip

#endif

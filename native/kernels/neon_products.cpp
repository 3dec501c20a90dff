// Matrix products with NEON: tiles of 6 tokens by 16 outputs, 24 accumulators, and the table.
//
// No integers here: smlal multiplies four numbers, no more than fmla, and half as often on most cores. Quantised
// weights become f32 once for a block of tokens instead.
#if defined(__aarch64__) || defined(_M_ARM64)

#include "kernels/neon_products.h"

#include <utility>

namespace altclip {

namespace neon {

namespace {

struct Tokens {
    float32x4_t first;
    float32x2_t last;
};

template <int Token>
inline float32x4_t multiply_add(float32x4_t sum, float32x4_t w, const Tokens & x) {
    if constexpr (Token < 4) {
        return vfmaq_laneq_f32(sum, w, x.first, Token);
    } else {
        return vfmaq_lane_f32(sum, w, x.last, Token - 4);
    }
}

template <int... I>
void tile_f32(std::integer_sequence<int, I...>, int64_t k, const float * a, const float * b, int64_t ldb, float * c,
              int64_t ldc, bool accumulate, const Outputs & outputs) {
    float32x4_t sums[sizeof...(I)] = {((void)I, vdupq_n_f32(0.0f))...};
    for (; k > 0; --k, a += token_tile, b += ldb) {
        const float32x4_t w[4] = {vld1q_f32(b), vld1q_f32(b + 4), vld1q_f32(b + 8), vld1q_f32(b + 12)};
        const Tokens x{vld1q_f32(a), vld1_f32(a + 4)};
        ((sums[I] = multiply_add<I / 4>(sums[I], w[I % 4], x)), ...);
    }
    const auto store = [&](int i, float32x4_t sum) {
        const int64_t r = i / 4, column = i % 4 * 4;
        leave(outputs, r, column, accumulate ? vaddq_f32(sum, vld1q_f32(c + r * ldc + column)) : sum);
    };
    (store(I, sums[I]), ...);
}

}  // namespace

void product_f32(int64_t n_rows, int64_t /*n_tiles*/, int64_t k, const float * a, const float * b, int64_t ldb,
                 int64_t /*next*/, float * c, int64_t ldc, bool accumulate, const Outputs * outputs,
                 const Ahead & /*ahead*/) {
    const Outputs to = outputs_or(outputs, c, ldc);
    const auto run = [&](auto sums) { tile_f32(sums, k, a, b, ldb, c, ldc, accumulate, to); };
    switch (n_rows) {
        case 6: return run(std::make_integer_sequence<int, 24>());
        case 5: return run(std::make_integer_sequence<int, 20>());
        case 4: return run(std::make_integer_sequence<int, 16>());
        case 3: return run(std::make_integer_sequence<int, 12>());
        case 2: return run(std::make_integer_sequence<int, 8>());
        default: return run(std::make_integer_sequence<int, 4>());
    }
}

}  // namespace neon

constexpr KernelTable neon_kernels = neon::table();

}  // namespace altclip

#endif

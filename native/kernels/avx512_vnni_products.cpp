// The AVX-512 table with VNNI: integer products in one instruction, in the same exact format.
#if defined(__x86_64__) || defined(_M_X64)

#include "kernels/avx512.h"
//
#include "kernels/avx2_rows.h"
#include "kernels/avx2_widen.h"
#include "kernels/avx512_products.h"
#include "kernels/avx512_tile.h"

namespace altclip {

namespace avx512 {

namespace {

struct VnniStep : PairStep {
    static Sum multiply_add(Sum sum, __m512i a, __m512i b) { return _mm512_dpwssd_epi32(sum, a, b); }
};

}  // namespace

void product_i16_vnni(int64_t n_rows, int64_t n_tiles, int64_t k, const int32_t * a, const int16_t * b, int64_t next,
                      const float * output_scales, const float * token_scales, float * c, int64_t ldc,
                      bool accumulate) {
    product_i16<VnniStep>(n_rows, n_tiles, k, a, b, next, output_scales, token_scales, c, ldc, accumulate);
}

}  // namespace avx512

const KernelTable avx512_vnni_kernels = {avx512::token_tile,
                                         max_output_tiles,
                                         avx512::input_block,
                                         avx2::pack_f32<max_token_tile>,
                                         avx2::pack_i16<max_token_tile>,
                                         avx512::widen_f16,
                                         avx512::widen_bf16,
                                         avx512::widen_q8,
                                         avx2::widen_q4_0,
                                         avx2::widen_q4_k,
                                         avx2::widen_q5_k,
                                         avx2::widen_q6_k,
                                         avx512::product_f32,
                                         avx512::product_i16_vnni,
                                         avx2::finish,
                                         avx2::layer_norm,
                                         avx2::softmax};

}  // namespace altclip

#endif

// What the tables with more than AVX-512's foundation share with its own. See kernels.h.
#pragma once

#include <cstdint>

#include "kernels/avx2_rows.h"
#include "kernels/avx2_widen.h"
#include "kernels/avx512_i8.h"
#include "kernels/avx512_rows.h"
#include "kernels/avx512_tile.h"

namespace altclip::avx512 {

void product_f32(int64_t n_rows, int64_t n_tiles, int64_t k, const float * a, const float * b, int64_t ldb,
                 int64_t next, float * c, int64_t ldc, bool accumulate, const Outputs * outputs, const Ahead & ahead);
void widen_bf16(const uint16_t * x, int64_t n_pairs, const float * output_scales, int16_t * out);
void widen_q8(const uint8_t * blocks, int64_t n_blocks, int16_t * out);
void widen_q4_0(const uint8_t * blocks, int64_t n_blocks, int16_t * out);
void widen_q6_k(const uint8_t * blocks, int64_t n_blocks, int16_t * out);

/// With vpmaddwd and vpaddd, and with vpdpwssd, which multiplies and adds in one instruction.
void product_i16_madd(int64_t n_rows, int64_t n_tiles, int64_t k, const int32_t * a, const int16_t * b, int64_t next,
                      const float * output_scales, float * c, int64_t ldc, bool accumulate, const Outputs * outputs,
                      const Ahead & ahead);
void product_i16_vnni(int64_t n_rows, int64_t n_tiles, int64_t k, const int32_t * a, const int16_t * b, int64_t next,
                      const float * output_scales, float * c, int64_t ldc, bool accumulate, const Outputs * outputs,
                      const Ahead & ahead);

/// The table of the foundation; rows become integers, and weights with minimums are widened, as in the AVX2 table.
constexpr KernelTable table() {
    KernelTable t{};
    t.token_tile = token_tile;
    t.output_tiles = max_output_tiles;
    t.input_block = input_block;
    t.pack_f32 = pack_f32;
    t.tile_of_rows = tile_of_rows;
    t.pack_i16 = avx2::pack_i16<token_tile>;
    t.widen_bf16 = widen_bf16;
    t.widen_q8 = widen_q8;
    t.widen_q4_0 = widen_q4_0;
    t.widen_q4_k = avx2::widen_q4_k;
    t.widen_q5_k = avx2::widen_q5_k;
    t.widen_q6_k = widen_q6_k;
    t.product_f32 = product_f32;
    t.product_i16 = product_i16_madd;
    t.finish = finish;
    t.layer_norm = layer_norm;
    t.softmax = softmax;
    return t;
}

/// The same with VNNI's integer products.
constexpr KernelTable vnni_table() {
    KernelTable t = table();
    t.product_i16 = product_i16_vnni;
#ifndef ALTCLIP_SIMDE
    t.pack_i8 = pack_i8;
    t.q8_0_i8 = {widen_q8_0_i8, product_i8<32>};
    t.q4_0_i8 = {widen_q4_0_i8, product_i8<64>};
    t.q4_k_i8 = {widen_q4_k_i8, product_i8<64>};
    t.q5_k_i8 = {widen_q5_k_i8, product_i8<64>};
    t.q6_k_i8 = {widen_q6_k_i8, product_i8<16>};
#endif
    return t;
}

}  // namespace altclip::avx512

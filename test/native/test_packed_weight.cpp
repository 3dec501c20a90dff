// Files keep packed weights: what a layout's number stands for must not change under it.
#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "check.h"
#include "kernels/packed_weight.h"

using namespace altclip;

namespace {

/// Rows of any bits, but for the half-precision scales of the type's blocks, at `scales`.
std::vector<std::byte> rows_of(ggml_type type, int64_t n_in, int64_t n_out, const std::vector<size_t> & scales) {
    std::mt19937 random(7);
    std::vector<std::byte> rows(ggml_row_size(type, n_in) * static_cast<size_t>(n_out));
    for (std::byte & byte : rows) byte = static_cast<std::byte>(random() & 255);
    for (size_t block = 0; block < rows.size(); block += ggml_type_size(type)) {
        for (const size_t scale : scales) {
            const ggml_fp16_t value = ggml_fp32_to_fp16(1 + static_cast<float>(random() % 64) / 64);
            std::memcpy(rows.data() + block + scale, &value, sizeof(value));
        }
    }
    return rows;
}

/// FNV-1a of the tiles; the outputs' scales behind them may differ in the last bit from one compiler to another.
uint64_t packed_hash(ggml_type type, const std::vector<size_t> & scales) {
    constexpr int64_t n_in = 512, n_out = 40;
    const std::vector<std::byte> rows = rows_of(type, n_in, n_out, scales);
    const std::shared_ptr<std::byte> memory(new std::byte[PackedWeight::n_bytes(type, n_in, n_out)](),
                                            std::default_delete<std::byte[]>());
    PackedWeight weight(type, n_in, n_out, memory);
    weight.pack(rows.data(), 0, weight.n_tiles());
    uint64_t hash = 0xcbf29ce484222325;
    for (const std::byte * byte = weight.tile(0); byte != weight.tile(weight.n_tiles()); ++byte)
        hash = (hash ^ static_cast<uint64_t>(*byte)) * 0x100000001b3;
    return hash;
}

}  // namespace

TEST("a layout's number stands for these bytes: raise packed_layout before other hashes are put here") {
    CHECK(packed_layout == 5);
    CHECK(packed_hash(GGML_TYPE_F32, {}) == 0x0a7ac6aa1aa1b543);
    CHECK(packed_hash(GGML_TYPE_F16, {0}) == 0x4a5227b373984f06);
    CHECK(packed_hash(GGML_TYPE_BF16, {}) == 0xa194e1175046fc4f);
    CHECK(packed_hash(GGML_TYPE_Q8_0, {0}) == 0x6be208f0ca017366);
    CHECK(packed_hash(GGML_TYPE_Q6_K, {208}) == 0x2f9942c1808b20f8);
    CHECK(packed_hash(GGML_TYPE_Q5_K, {0, 2}) == 0x068599ce0f450793);
    CHECK(packed_hash(GGML_TYPE_Q4_K, {0, 2}) == 0xb18f67053605795c);
    CHECK(packed_hash(GGML_TYPE_Q4_0, {0}) == 0x2f9a4a961882b57f);
}

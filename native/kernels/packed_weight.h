// A weight matrix in the order in which the kernels read it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "ggml.h"
#include "kernels/kernels.h"

namespace altclip {

/// Version of the layout that pack() writes, which files hold: raised whenever the same weights become other bytes.
inline constexpr uint32_t packed_layout = 5;
/// Where a packed weight begins, in memory and in files: at a multiple of a cache line.
inline constexpr size_t packed_alignment = 64;

/// [n_out][n_in], as tiles of output_tile outputs (the last padded with zeros): f32 as [n_in][16]; bf16 as pairs of
/// inputs [n_in / 2][16][2], n_in rounded up to integer_step; f16 in the same order as 14-bit integers with one scale
/// an output; quantised ones in blocks of 32 inputs (see kernels.h) that keep their bits. Those, and bf16 where no
/// instruction multiplies it, become such integers when they are used. Takes the file's bytes, and half a bit a weight
/// more for the K-quants.
class PackedWeight {
public:
    /// Whether this type has kernels: f32, f16, bf16, q8_0, q6_K, q5_K, q4_K and q4_0.
    static bool supports(ggml_type type);

    /// Bytes that a weight of this kind takes: its tiles, then the outputs' scales where it has integers.
    static size_t n_bytes(ggml_type type, int64_t n_in, int64_t n_out);

    /// In `memory` of n_bytes() that pack() fills or has filled once; products take it aligned to packed_alignment.
    PackedWeight(ggml_type type, int64_t n_in, int64_t n_out, std::shared_ptr<std::byte> memory);

    /// Packs tiles [first, last) from ggml's rows; different tiles may be packed by different threads.
    void pack(const void * rows, int64_t first, int64_t last);

    ggml_type type() const { return type_; }
    int64_t n_in() const { return n_in_; }
    int64_t n_out() const { return n_out_; }
    int64_t n_tiles() const { return n_tiles_; }
    size_t tile_bytes() const { return tile_bytes_; }
    const std::byte * tile(int64_t index) const { return memory_.get() + static_cast<size_t>(index) * tile_bytes_; }
    /// The scales of a tile's outputs; null for f32.
    const float * scales(int64_t index) const {
        return has_scales(type_) ? reinterpret_cast<const float *>(tile(n_tiles_)) + index * output_tile : nullptr;
    }
    /// Of quantised types alone: what 32 inputs take.
    size_t block_bytes() const { return tile_bytes_ / static_cast<size_t>(n_in_ / 32); }

private:
    static bool has_scales(ggml_type type) { return type != GGML_TYPE_F32; }

    ggml_type type_;
    int64_t n_in_;
    int64_t n_out_;
    int64_t n_tiles_;
    size_t tile_bytes_;
    std::shared_ptr<std::byte> memory_;
};

}  // namespace altclip

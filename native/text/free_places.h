// Where a double array has room left for the children of a node.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace altclip {

class FreePlaces {
public:
    static constexpr size_t n_block = 256;

    /// A base that nobody has, for which the place `base ^ byte` of every byte is free; they are taken. `bytes` are n >
    /// 0 different ones.
    uint32_t take(const uint8_t * bytes, size_t n);

    /// Of the array, free ones included.
    size_t size() const { return blocks_.size() * n_block; }

private:
    struct Block {
        std::array<uint64_t, n_block / 64> taken{};
        std::array<uint64_t, n_block / 64> bases{};
        uint32_t n_free = n_block;
        uint32_t n_failed = 0;
    };

    bool find(const Block & block, const uint8_t * bytes, size_t n, uint32_t & base) const;

    std::vector<Block> blocks_;
    std::vector<uint32_t> open_;  // blocks worth a look
};

}  // namespace altclip

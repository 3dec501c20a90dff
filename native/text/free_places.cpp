#include "text/free_places.h"

namespace altclip {

namespace {

// Only so many blocks are looked through, and each only until it disappointed so often: with XLM-R's tokens all but a
// thousandth of the places get filled all the same, as most nodes have one child, which fits anywhere.
constexpr size_t max_open = 16;
constexpr uint32_t max_failures = 16;

uint32_t lowest_bit(uint64_t bits) {
    uint32_t n = 0;
    for (uint32_t step = 32; step > 0; step /= 2) {
        if ((bits << (64 - step)) == 0) {
            bits >>= step;
            n += step;
        }
    }
    return n;
}

/// Bit `i ^ by` of `bits` as bit `i`.
uint64_t permuted(uint64_t bits, uint32_t by) {
    constexpr uint64_t lower[] = {0x5555555555555555, 0x3333333333333333, 0x0F0F0F0F0F0F0F0F,
                                  0x00FF00FF00FF00FF, 0x0000FFFF0000FFFF, 0x00000000FFFFFFFF};
    for (uint32_t i = 0; i < 6; ++i) {
        if ((by >> i & 1) != 0) bits = (bits >> (1u << i) & lower[i]) | (bits & lower[i]) << (1u << i);
    }
    return bits;
}

}  // namespace

bool FreePlaces::find(const Block & block, const uint8_t * bytes, size_t n, uint32_t & base) const {
    for (uint32_t word = 0; word < block.taken.size(); ++word) {
        uint64_t fitting = ~block.bases[word];
        for (size_t i = 0; i < n && fitting != 0; ++i) {
            fitting &= permuted(~block.taken[word ^ bytes[i] / 64], bytes[i] % 64);
        }
        if (fitting == 0) continue;
        base = word * 64 + lowest_bit(fitting);
        return true;
    }
    return false;
}

uint32_t FreePlaces::take(const uint8_t * bytes, size_t n) {
    for (size_t i = 0;; ++i) {
        if (i == open_.size()) {
            if (open_.size() == max_open) open_.erase(open_.begin());
            open_.push_back(static_cast<uint32_t>(blocks_.size()));
            blocks_.emplace_back();
            i = open_.size() - 1;
        }
        Block & block = blocks_[open_[i]];
        uint32_t base = 0;
        if (block.n_free < n) continue;
        if (!find(block, bytes, n, base)) {
            if (++block.n_failed == max_failures) open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(i--));
            continue;
        }
        for (size_t k = 0; k < n; ++k) {
            const size_t place = base ^ bytes[k];
            block.taken[place / 64] |= uint64_t{1} << (place % 64);
        }
        block.bases[base / 64] |= uint64_t{1} << (base % 64);
        block.n_free -= static_cast<uint32_t>(n);
        const auto first = static_cast<uint32_t>(open_[i] * n_block);
        if (block.n_free == 0) open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(i));
        return first + base;
    }
}

}  // namespace altclip

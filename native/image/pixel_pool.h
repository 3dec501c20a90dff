// Memory for copies of pixels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace altclip {

/// Memory that is used again: the first touch of fresh pages takes longer than a copy of the pixels themselves. Any
/// thread may call.
class PixelPool : public std::enable_shared_from_this<PixelPool> {
public:
    /// What is kept while nobody uses it, at most: two photos of a phone.
    static constexpr size_t max_idle_bytes = size_t{64} << 20;

    /// Uninitialised. Comes back with its last owner, and is freed where that would be too much. Throws std::bad_alloc.
    std::shared_ptr<uint8_t> take(size_t n_bytes);

    size_t idle_bytes() const;

private:
    struct Piece {
        std::shared_ptr<std::byte> memory;
        size_t size;
    };
    Piece idle_piece(size_t n_bytes);
    void give_back(Piece piece);

    mutable std::mutex mutex_;
    std::vector<Piece> idle_;  // the longest unused first
};

}  // namespace altclip

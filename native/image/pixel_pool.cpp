#include "image/pixel_pool.h"

#include <algorithm>
#include <cstdlib>
#include <new>
#include <utility>

#include "kernels/huge_pages.h"

namespace altclip {

namespace {

constexpr size_t huge_page = size_t{1} << 21;

}  // namespace

std::shared_ptr<uint8_t> PixelPool::take(size_t n_bytes) {
    if (n_bytes < huge_page) {  // what malloc keeps at hand anyway
        std::shared_ptr<uint8_t> bytes(static_cast<uint8_t *>(std::malloc(n_bytes)), std::free);
        if (!bytes) throw std::bad_alloc();
        return bytes;
    }
    Piece piece = idle_piece(n_bytes);
    if (!piece.memory) {
        const size_t size = (n_bytes + huge_page - 1) / huge_page * huge_page;
        piece = {huge_pages(size), size};
    }
    auto * const data = reinterpret_cast<uint8_t *>(piece.memory.get());
    return {data, [pool = weak_from_this(), piece = std::move(piece)](uint8_t *) {
                if (const auto alive = pool.lock()) alive->give_back(piece);
            }};
}

size_t PixelPool::idle_bytes() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    size_t sum = 0;
    for (const Piece & piece : idle_) sum += piece.size;
    return sum;
}

PixelPool::Piece PixelPool::idle_piece(size_t n_bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = std::find_if(idle_.begin(), idle_.end(), [&](const Piece & one) { return one.size >= n_bytes; });
    if (found == idle_.end()) return {nullptr, 0};
    Piece piece = std::move(*found);
    idle_.erase(found);
    return piece;
}

void PixelPool::give_back(Piece piece) {
    std::vector<Piece> freed;  // behind the lock's back: it takes its time
    const std::lock_guard<std::mutex> lock(mutex_);
    size_t sum = piece.size;
    for (const Piece & one : idle_) sum += one.size;
    idle_.push_back(std::move(piece));
    while (sum > max_idle_bytes) {
        sum -= idle_.front().size;
        freed.push_back(std::move(idle_.front()));
        idle_.erase(idle_.begin());
    }
}

}  // namespace altclip

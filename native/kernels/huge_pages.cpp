#include "kernels/huge_pages.h"

#include <new>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace altclip {

namespace {

constexpr std::align_val_t alignment{size_t{1} << 21};

}  // namespace

std::shared_ptr<std::byte> huge_pages(size_t n_bytes) {
    const auto size = static_cast<size_t>(alignment);
    const size_t n_whole = (n_bytes + size - 1) / size * size;
    const std::shared_ptr<std::byte> memory(static_cast<std::byte *>(::operator new(n_whole, alignment)),
                                            [](std::byte * p) { ::operator delete(p, alignment); });
#ifdef __linux__
    madvise(memory.get(), n_whole, MADV_HUGEPAGE);  // where it is refused, small pages do as well
#endif
    return memory;
}

}  // namespace altclip

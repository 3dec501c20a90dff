// Memory for what is large and read all the time.
#pragma once

#include <cstddef>
#include <memory>

namespace altclip {

/// `n_bytes` of zeros or of nothing in particular, at a multiple of 64. Where the system has huge pages (Linux) they
/// are asked for: the first touch of a page costs as much for 2 MB as for 4 kB, and the kernels' reads miss no TLB.
/// Throws std::bad_alloc.
std::shared_ptr<std::byte> huge_pages(size_t n_bytes);

}  // namespace altclip

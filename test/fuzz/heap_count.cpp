#include "heap_count.h"

#include <atomic>
#include <cstdlib>
#include <new>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FUZZ_ADDRESS_SANITIZER
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(FUZZ_ADDRESS_SANITIZER)
#define FUZZ_COUNT_HOOKS
// gcc brings the functions without sanitizer/allocator_interface.h
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void *, size_t),
                                                         void (*)(const volatile void *));
extern "C" size_t __sanitizer_get_allocated_size(const volatile void *);
#elif defined(__GLIBC__)
#define FUZZ_COUNT_NEW
#include <malloc.h>
#endif

namespace fuzz {

namespace {

std::atomic<size_t> n_now{0};
std::atomic<size_t> n_peak{0};
std::atomic<size_t> n_start{0};

[[maybe_unused]] void count(size_t n_bytes) {
    const size_t now = n_now += n_bytes;
    size_t peak = n_peak;
    while (now > peak && !n_peak.compare_exchange_weak(peak, now)) {
    }
}

#ifdef FUZZ_COUNT_HOOKS
void on_malloc(const volatile void *, size_t n_bytes) {
    count(n_bytes);
}
void on_free(const volatile void * block) {
    if (block != nullptr) n_now -= __sanitizer_get_allocated_size(block);
}
[[maybe_unused]] const int installed = __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
#endif

}  // namespace

size_t peak_bytes() {
    const size_t peak = n_peak;
    const size_t start = n_start;
    return peak > start ? peak - start : 0;
}

void reset_peak() {
    n_start = n_now.load();
    n_peak = n_now.load();
}

}  // namespace fuzz

#ifdef FUZZ_COUNT_NEW

void * operator new(size_t size, const std::nothrow_t &) noexcept {
    void * block = std::malloc(size == 0 ? 1 : size);
    if (block != nullptr) fuzz::count(malloc_usable_size(block));
    return block;
}

void * operator new(size_t size) {
    void * block = operator new(size, std::nothrow);
    if (block == nullptr) throw std::bad_alloc();
    return block;
}

void operator delete(void * block) noexcept {
    if (block != nullptr) fuzz::n_now -= malloc_usable_size(block);
    std::free(block);
}

void operator delete(void * block, size_t) noexcept {
    operator delete(block);
}

#endif

#include "io/mapped_file.h"

#include <utility>

#include "error.h"

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>

#include <filesystem>
#include <system_error>
#else
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#endif

namespace altclip {

#ifdef _WIN32

namespace {

class Handle {
public:
    explicit Handle(HANDLE handle) : handle_(handle) {}
    ~Handle() {
        if (*this) CloseHandle(handle_);
    }
    Handle(const Handle &) = delete;
    Handle & operator=(const Handle &) = delete;
    explicit operator bool() const { return handle_ != nullptr && handle_ != INVALID_HANDLE_VALUE; }
    HANDLE get() const { return handle_; }

private:
    HANDLE handle_;
};

[[noreturn]] void fail_open(const std::string & path) {
    fail(ErrorCode::io, path, ": cannot be read: ", std::system_category().message(static_cast<int>(GetLastError())));
}

}  // namespace

MappedFile::MappedFile(const std::string & path) {
    const Handle file(CreateFileW(std::filesystem::u8path(path).c_str(), GENERIC_READ,
                                  FILE_SHARE_READ | FILE_SHARE_DELETE, nullptr, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL,
                                  nullptr));
    LARGE_INTEGER size;
    if (!file || GetFileType(file.get()) != FILE_TYPE_DISK || !GetFileSizeEx(file.get(), &size)) fail_open(path);
    if (size.QuadPart == 0) return;
    // the view keeps file and mapping alive after their handles are closed
    const Handle mapping(CreateFileMappingW(file.get(), nullptr, PAGE_READONLY, 0, 0, nullptr));
    if (!mapping) fail_open(path);
    const void * view = MapViewOfFile(mapping.get(), FILE_MAP_READ, 0, 0, 0);
    if (view == nullptr) fail_open(path);
    data_ = static_cast<const uint8_t *>(view);
    size_ = static_cast<size_t>(size.QuadPart);
}

MappedFile::~MappedFile() {
    if (data_ != nullptr) UnmapViewOfFile(data_);
}

void MappedFile::expect(const void *, const void *) const {}

void MappedFile::forget(const void * begin, const void * end) const {
    const auto n = static_cast<const uint8_t *>(end) - static_cast<const uint8_t *>(begin);
    // documented: unlocking pages that are not locked takes them out of the working set
    if (n > 0) VirtualUnlock(const_cast<void *>(begin), static_cast<SIZE_T>(n));
}

#else

namespace {

class Descriptor {
public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor() {
        if (fd_ >= 0) close(fd_);
    }
    Descriptor(const Descriptor &) = delete;
    Descriptor & operator=(const Descriptor &) = delete;
    int get() const { return fd_; }

private:
    int fd_;
};

}  // namespace

MappedFile::MappedFile(const std::string & path) {
    // O_NONBLOCK: a pipe of that name must not make us wait for a writer
    const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (file.get() < 0) fail(ErrorCode::io, path, ": cannot be read: ", std::strerror(errno));
    *this = MappedFile(file.get(), path);
}

MappedFile::MappedFile(int descriptor, const std::string & path) {
    struct stat status;
    if (fstat(descriptor, &status) != 0) fail(ErrorCode::io, path, ": cannot be read: ", std::strerror(errno));
    if (S_ISDIR(status.st_mode)) fail(ErrorCode::io, path, ": cannot be read: it is a folder, expected a file");
    if (!S_ISREG(status.st_mode)) fail(ErrorCode::io, path, ": cannot be read: expected a regular file");
    if (status.st_size == 0) return;
    const auto size = static_cast<size_t>(status.st_size);
    void * view = mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor, 0);
    if (view == MAP_FAILED) fail(ErrorCode::io, path, ": cannot be mapped: ", std::strerror(errno));
    data_ = static_cast<const uint8_t *>(view);
    size_ = size;
}

MappedFile::~MappedFile() {
    if (data_ != nullptr) munmap(const_cast<uint8_t *>(data_), size_);
}

void MappedFile::expect(const void * begin, const void * end) const {
    const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    const uintptr_t first = reinterpret_cast<uintptr_t>(begin) / page * page;
    const auto last = reinterpret_cast<uintptr_t>(end);
    if (first < last) madvise(reinterpret_cast<void *>(first), last - first, MADV_WILLNEED);
}

void MappedFile::forget(const void * begin, const void * end) const {
    const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    const uintptr_t first = (reinterpret_cast<uintptr_t>(begin) + page - 1) / page * page;
    const uintptr_t last = reinterpret_cast<uintptr_t>(end) / page * page;
    if (first < last) madvise(reinterpret_cast<void *>(first), last - first, MADV_DONTNEED);
}

#endif

MappedFile::MappedFile(MappedFile && other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile & MappedFile::operator=(MappedFile && other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
}

}  // namespace altclip

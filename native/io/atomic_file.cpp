#include "io/atomic_file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <random>
#include <system_error>
#include <utility>

#include "error.h"

#ifdef _WIN32
#include <io.h>
#else
#include <fcntl.h>
#include <unistd.h>
#endif

namespace altclip {

namespace {

namespace fs = std::filesystem;

std::FILE * open_new(const std::string & path) {
#ifdef _WIN32
    return _wfopen(fs::u8path(path).c_str(), L"wbx");
#else
    return std::fopen(path.c_str(), "wbxe");
#endif
}

bool sync_file(std::FILE * file) {
    if (std::fflush(file) != 0) return false;
#ifdef _WIN32
    return _commit(_fileno(file)) == 0;
#else
    return fsync(fileno(file)) == 0;
#endif
}

/// Makes the new name durable too; best effort, since not every file system lets a folder be synced.
void sync_folder_of(const fs::path & path) {
#ifdef _WIN32
    (void)path;
#else
    const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
    const int fd = open(folder.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    if (fd < 0) return;
    fsync(fd);
    close(fd);
#endif
}

[[noreturn]] void fail_write(const std::string & path, const std::string & reason) {
    fail(ErrorCode::io, path, ": cannot be written: ", reason);
}

}  // namespace

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)) {
    std::error_code ignored;
    if (fs::is_directory(fs::u8path(path_), ignored)) fail_write(path_, "it is a folder, expected a file");
    std::random_device random;
    for (int attempt = 0; file_ == nullptr; ++attempt) {
        std::array<char, 16> suffix;
        std::snprintf(suffix.data(), suffix.size(), ".%08x.tmp", random());
        temporary_ = path_ + suffix.data();
        file_ = open_new(temporary_);
        if (file_ == nullptr && (errno != EEXIST || attempt == 100)) fail_write(path_, std::strerror(errno));
    }
}

AtomicFile::~AtomicFile() {
    if (file_ != nullptr) std::fclose(file_);
    if (temporary_.empty()) return;
    std::error_code ignored;
    fs::remove(fs::u8path(temporary_), ignored);
}

void AtomicFile::write(const void * data, size_t n_bytes) {
    if (n_bytes == 0) return;
    if (std::fwrite(data, 1, n_bytes, file_) != n_bytes) fail_write(path_, std::strerror(errno));
    position_ += n_bytes;
    start_writeback();
}

void AtomicFile::start_writeback() {
#ifdef __linux__
    // else the disk would idle until commit(), which then waits for all of it
    constexpr uint64_t enough = 16u << 20;
    if (position_ - n_started_ < enough) return;
    if (std::fflush(file_) != 0) fail_write(path_, std::strerror(errno));
    sync_file_range(fileno(file_), static_cast<off_t>(n_started_), static_cast<off_t>(position_ - n_started_),
                    SYNC_FILE_RANGE_WRITE);
    n_started_ = position_;
#endif
}

void AtomicFile::write_zeros(size_t n_bytes) {
    static constexpr std::array<char, 4096> zeros{};
    while (n_bytes > 0) {
        const size_t n = std::min(n_bytes, zeros.size());
        write(zeros.data(), n);
        n_bytes -= n;
    }
}

void AtomicFile::commit() {
    const bool synced = sync_file(file_);
    const int sync_errno = errno;
    const bool closed = std::fclose(std::exchange(file_, nullptr)) == 0;
    if (!synced || !closed) fail_write(path_, std::strerror(synced ? errno : sync_errno));
    std::error_code error;
    fs::rename(fs::u8path(temporary_), fs::u8path(path_), error);
    if (error) fail_write(path_, error.message());
    temporary_.clear();
    sync_folder_of(fs::u8path(path_));
}

}  // namespace altclip

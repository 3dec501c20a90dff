#include "io/atomic_file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
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
    // N: a child process that inherited it would keep it open, and Windows renames no open file
    return _wfopen(fs::u8path(path).c_str(), L"wbxN");
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
    if (writeback_.valid()) writeback_.wait();
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
    // else the disk would idle until commit(), which then waits for all of it. On a thread that waits for each part:
    // the kernel holds back what nobody waits for
    constexpr uint64_t enough = 16u << 20;
    if (position_ - n_started_ < enough) return;
    if (writeback_.valid() && writeback_.wait_for(std::chrono::seconds(0)) != std::future_status::ready) return;
    end_writeback();
    if (std::fflush(file_) != 0) fail_write(path_, std::strerror(errno));
    const auto work = [fd = fileno(file_), begin = n_started_, count = position_ - n_started_] {
        constexpr unsigned and_wait = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
        const int result = sync_file_range(fd, static_cast<off_t>(begin), static_cast<off_t>(count), and_wait);
        // where a file system cannot do it, fsync will
        return result != 0 && (errno == EIO || errno == ENOSPC || errno == EDQUOT) ? errno : 0;
    };
    try {
        writeback_ = std::async(std::launch::async, work);
        n_started_ = position_;
    } catch (const std::system_error &) {  // no thread: commit() waits longer
    }
#endif
}

void AtomicFile::end_writeback() {
    if (!writeback_.valid()) return;
    // the kernel tells an error once, so fsync would not hear of it again
    if (const int error = writeback_.get()) fail_write(path_, std::strerror(error));
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
    end_writeback();
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

#include "io/scratch_file.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <random>
#include <string>
#include <system_error>

#include "error.h"

#ifndef _WIN32
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace altclip {

namespace fs = std::filesystem;

ScratchFile::ScratchFile() {
    std::error_code error;
    const fs::path folder = fs::temp_directory_path(error);
    if (error) fail(ErrorCode::io, "the system's temporary folder: ", error.message());
    path_ = (folder / ("altclip-" + std::to_string(std::random_device{}()) + ".scratch")).u8string();
#ifdef _WIN32
    file_.reset(_wfopen(fs::u8path(path_).c_str(), L"w+bxN"));
#else
    file_.reset(std::fopen(path_.c_str(), "w+bxe"));
#endif
    if (!file_) fail(ErrorCode::io, path_, ": cannot be written: ", std::strerror(errno));
#ifndef _WIN32
    fchmod(fileno(file_.get()), S_IRUSR | S_IWUSR);
    unlink(path_.c_str());
#endif
}

void ScratchFile::write(const void * data, size_t n_bytes) {
    if (std::fwrite(data, 1, n_bytes, file_.get()) != n_bytes) {
        fail(ErrorCode::io, path_, ": cannot be written: ", std::strerror(errno));
    }
}

void ScratchFile::map() {
    if (std::fflush(file_.get()) != 0) fail(ErrorCode::io, path_, ": cannot be written: ", std::strerror(errno));
#ifdef _WIN32
    file_.reset();
    mapped_ = MappedFile(path_);
#else
    mapped_ = MappedFile(fileno(file_.get()), path_);
    file_.reset();
#endif
}

ScratchFile::~ScratchFile() {
#ifdef _WIN32
    file_.reset();
    mapped_ = MappedFile();
    std::error_code ignored;  // nothing is left to tell it to
    fs::remove(fs::u8path(path_), ignored);
#endif
}

}  // namespace altclip

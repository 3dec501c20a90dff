#include "io/scratch_file.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <random>
#include <string>
#include <system_error>

#include "error.h"

namespace altclip {

namespace fs = std::filesystem;

ScratchFile::ScratchFile() {
    std::error_code error;
    const fs::path folder = fs::temp_directory_path(error);
    if (error) fail(ErrorCode::io, "the system's temporary folder: ", error.message());
    path_ = (folder / ("altclip-" + std::to_string(std::random_device{}()) + ".scratch")).u8string();
#ifdef _WIN32
    file_.reset(_wfopen(fs::u8path(path_).c_str(), L"wbx"));
#else
    file_.reset(std::fopen(path_.c_str(), "wbxe"));
#endif
    if (!file_) fail(ErrorCode::io, path_, ": cannot be written: ", std::strerror(errno));
}

void ScratchFile::write(const void * data, size_t n_bytes) {
    if (std::fwrite(data, 1, n_bytes, file_.get()) != n_bytes) {
        fail(ErrorCode::io, path_, ": cannot be written: ", std::strerror(errno));
    }
}

void ScratchFile::map() {
    if (std::fflush(file_.get()) != 0) fail(ErrorCode::io, path_, ": cannot be written: ", std::strerror(errno));
    file_.reset();
    mapped_ = MappedFile(path_);
#ifndef _WIN32
    fs::remove(fs::u8path(path_));  // the mapping keeps the bytes
#endif
}

ScratchFile::~ScratchFile() {
    file_.reset();
    mapped_ = MappedFile();
    std::error_code ignored;  // nothing is left to tell it to
    fs::remove(fs::u8path(path_), ignored);
}

}  // namespace altclip

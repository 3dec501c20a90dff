// A file that appears under its name only when it is complete.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <future>
#include <memory>
#include <string>

namespace altclip {

/// Writes to a temporary name beside `path`; commit() syncs and renames, the destructor removes what was not committed.
class AtomicFile {
public:
    /// `path` is UTF-8. Throws io where the folder cannot be written.
    explicit AtomicFile(std::string path);
    ~AtomicFile();
    AtomicFile(const AtomicFile &) = delete;
    AtomicFile & operator=(const AtomicFile &) = delete;

    void write(const void * data, size_t n_bytes);  // throws io, disk full included
    void write_zeros(size_t n_bytes);
    uint64_t position() const { return position_; }
    void commit();

private:
    void start_writeback();
    void end_writeback();

    std::string path_;
    std::string temporary_;
    std::FILE * file_ = nullptr;
    uint64_t position_ = 0;
    uint64_t n_started_ = 0;      // bytes that the disk has been asked to write
    std::future<int> writeback_;  // of the last of them: an errno
};

}  // namespace altclip

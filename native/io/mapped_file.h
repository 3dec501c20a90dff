// A file mapped read-only into memory; the mapping lives as long as the object.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace altclip {

class MappedFile {
public:
    MappedFile() = default;
    /// `path` is UTF-8. Throws io, naming the path and the system's reason; an empty file maps to size() == 0.
    explicit MappedFile(const std::string & path);
#ifndef _WIN32
    /// The file behind an open descriptor, which stays the caller's; `path` is what errors call it.
    MappedFile(int descriptor, const std::string & path);
#endif
    ~MappedFile();
    MappedFile(MappedFile && other) noexcept;
    MappedFile & operator=(MappedFile && other) noexcept;

    const uint8_t * data() const {
        return data_;
    }
    size_t size() const {
        return size_;
    }
    /// Has the system begin to read [begin, end) and returns at once; only a hint, and on Windows nothing.
    void expect(const void * begin, const void * end) const;
    /// Lets the system take back the memory of the pages that lie wholly in [begin, end); reading them again is allowed
    /// and reads the file. Without it all that was ever read counts as this process's memory.
    void forget(const void * begin, const void * end) const;

private:
    const uint8_t * data_ = nullptr;
    size_t size_ = 0;
};

}  // namespace altclip

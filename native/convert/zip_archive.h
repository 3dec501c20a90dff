// A zip file as torch.save writes it: stored entries, zip64 where it is large. Nothing is decompressed.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "io/mapped_file.h"

namespace altclip {

class ZipArchive {
public:
    /// `path` is UTF-8. Throws io (cannot be read), model_format (damaged) and unsupported (compressed or encrypted).
    explicit ZipArchive(const std::string & path);

    /// By name; the bytes are views into the mapping.
    const std::unordered_map<std::string, std::string_view> & entries() const { return entries_; }

    /// As MappedFile's.
    void forget(const void * begin, const void * end) const;

private:
    struct Directory;

    const uint8_t * bytes(uint64_t offset, uint64_t count, const char * what) const;
    Directory find_directory() const;
    void read_directory(const Directory & directory);
    std::string_view read_entry(uint64_t local_header, uint64_t size, const std::string & name) const;

    std::string path_;
    MappedFile file_;
    std::unordered_map<std::string, std::string_view> entries_;
};

}  // namespace altclip

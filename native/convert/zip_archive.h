// A zip file as torch.save writes it, zip64 where it is large; entries stored or, by other tools, deflated.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "io/mapped_file.h"
#include "io/scratch_file.h"

namespace altclip {

struct ZipEntry {
    std::string name;
    std::string_view stored;  // as it lies in the file
    uint64_t size;            // inflated
    uint32_t crc32;
    bool deflated;
};

class ZipArchive {
public:
    /// `path` is UTF-8. Throws io (cannot be read), model_format (damaged) and unsupported (encrypted, or compressed
    /// otherwise than by deflate).
    explicit ZipArchive(const std::string & path);

    const std::unordered_map<std::string, ZipEntry> & entries() const { return entries_; }

    /// A copy. Throws model_format where it is damaged or larger than `limit` bytes.
    std::string text(const ZipEntry & entry, uint64_t limit) const;
    /// The entry's bytes: mapped where it is stored; a deflated one is inflated into a scratch file the first time.
    /// Throws model_format, io. Safe from several threads at once.
    const uint8_t * data(const ZipEntry & entry) const;
    /// Of an entry's data; as MappedFile's.
    void expect(const void * begin, const void * end) const { file_.expect(begin, end); }
    void forget(const void * begin, const void * end) const { file_.forget(begin, end); }

private:
    struct Directory;
    /// Made by whoever comes first.
    struct Inflated {
        mutable std::mutex mutex;
        mutable std::unique_ptr<ScratchFile> bytes;
    };

    std::string describe(const ZipEntry & entry) const;
    const uint8_t * bytes(uint64_t offset, uint64_t count, const char * what) const;
    Directory find_directory() const;
    void read_directory(const Directory & directory);
    std::string_view find_stored(uint64_t local_header, uint64_t size, const std::string & name) const;

    std::string path_;
    MappedFile file_;
    std::unordered_map<std::string, ZipEntry> entries_;
    std::unordered_map<const ZipEntry *, Inflated> inflated_;  // of every deflated entry
};

}  // namespace altclip

#include "convert/zip_archive.h"

#include <algorithm>
#include <cstring>

#include "error.h"
#include "io/inflate.h"

namespace altclip {

namespace {

constexpr uint32_t local_signature = 0x04034b50;
constexpr uint32_t central_signature = 0x02014b50;
constexpr uint32_t end_signature = 0x06054b50;
constexpr uint32_t end64_signature = 0x06064b50;
constexpr uint32_t locator64_signature = 0x07064b50;
constexpr size_t local_size = 30;
constexpr size_t central_size = 46;
constexpr size_t end_size = 22;
constexpr size_t end64_size = 56;
constexpr size_t locator64_size = 20;
constexpr uint64_t max_entries = 1 << 16;
constexpr uint16_t zip64_extra = 0x0001;
constexpr uint32_t in_zip64 = 0xffffffff;  // the real number stands in the zip64 field

template <typename T>
T number(const uint8_t * at) {
    T value;
    std::memcpy(&value, at, sizeof(T));
    return value;
}

/// Sizes and offset of a central record; the zip64 field holds, in this order, those that did not fit.
struct Placement {
    uint64_t size;
    uint64_t stored_size;
    uint64_t local_header;
};

bool read_zip64(const uint8_t * extra, size_t n_extra, Placement & placement) {
    while (n_extra >= 4) {
        const auto id = number<uint16_t>(extra);
        size_t n = number<uint16_t>(extra + 2);
        extra += 4;
        n_extra -= 4;
        if (n > n_extra) return false;
        if (id == zip64_extra) {
            const uint8_t * at = extra;
            for (uint64_t * field : {&placement.size, &placement.stored_size, &placement.local_header}) {
                if (*field != in_zip64) continue;
                if (n < 8) return false;
                *field = number<uint64_t>(at);
                at += 8;
                n -= 8;
            }
            return true;
        }
        extra += n;
        n_extra -= n;
    }
    return placement.size != in_zip64 && placement.stored_size != in_zip64 && placement.local_header != in_zip64;
}

}  // namespace

struct ZipArchive::Directory {
    uint64_t n_entries;
    uint64_t size;
    uint64_t offset;
};

ZipArchive::ZipArchive(const std::string & path) : path_(path), file_(path) {
    read_directory(find_directory());
}

const uint8_t * ZipArchive::bytes(uint64_t offset, uint64_t count, const char * what) const {
    if (offset > file_.size() || count > file_.size() - offset) {
        fail(ErrorCode::model_format, path_, ": ", what, " of the zip archive lies beyond the end of the file (",
             file_.size(), " bytes); is it complete?");
    }
    return file_.data() + offset;
}

ZipArchive::Directory ZipArchive::find_directory() const {
    constexpr size_t max_comment = 0xffff;
    const size_t n_last = std::min(file_.size(), end_size + max_comment);
    size_t end = file_.size();
    for (size_t back = end_size; back <= n_last; ++back) {
        if (number<uint32_t>(file_.data() + file_.size() - back) == end_signature) {
            end = file_.size() - back;
            break;
        }
    }
    if (end == file_.size()) {
        fail(ErrorCode::model_format, path_, ": the zip archive has no directory at its end; is it complete?");
    }
    const uint8_t * record = file_.data() + end;
    Directory directory{number<uint16_t>(record + 10), number<uint32_t>(record + 12), number<uint32_t>(record + 16)};
    if (end >= locator64_size && number<uint32_t>(record - locator64_size) == locator64_signature) {
        const auto offset = number<uint64_t>(record - locator64_size + 8);
        const uint8_t * record64 = bytes(offset, end64_size, "the zip64 directory's end");
        if (number<uint32_t>(record64) != end64_signature) {
            fail(ErrorCode::model_format, path_, ": the zip64 directory of the archive is damaged");
        }
        directory = {number<uint64_t>(record64 + 32), number<uint64_t>(record64 + 40), number<uint64_t>(record64 + 48)};
    }
    return directory;
}

void ZipArchive::read_directory(const Directory & directory) {
    const uint8_t * at = bytes(directory.offset, directory.size, "the directory");
    uint64_t left = directory.size;
    if (directory.n_entries > max_entries) {
        fail(ErrorCode::model_format, path_, ": the zip archive claims ", directory.n_entries,
             " entries, expected at most ", max_entries);
    }
    const auto take = [&](size_t n) {
        if (n > left) fail(ErrorCode::model_format, path_, ": the directory of the zip archive is damaged");
        const uint8_t * taken = at;
        at += n;
        left -= n;
        return taken;
    };
    for (uint64_t i = 0; i < directory.n_entries; ++i) {
        // a page of every entry is read, and the kernel maps what lies around it too, up to 2 MB
        constexpr uint64_t n_remembered = 32;
        if (i % n_remembered == 0) file_.forget(file_.data(), file_.data() + file_.size());
        const uint8_t * record = take(central_size);
        if (number<uint32_t>(record) != central_signature) {
            fail(ErrorCode::model_format, path_, ": the directory of the zip archive is damaged");
        }
        const size_t n_name = number<uint16_t>(record + 28);
        const size_t n_extra = number<uint16_t>(record + 30);
        const size_t n_comment = number<uint16_t>(record + 32);
        const std::string name(reinterpret_cast<const char *>(take(n_name)), n_name);
        const uint8_t * extra = take(n_extra);
        take(n_comment);
        Placement placement{number<uint32_t>(record + 24), number<uint32_t>(record + 20),
                            number<uint32_t>(record + 42)};
        if (!read_zip64(extra, n_extra, placement)) {
            fail(ErrorCode::model_format, path_, ": the zip entry '", name, "' has a damaged zip64 field");
        }
        constexpr uint16_t encrypted = 1, stored = 0, deflated = 8;
        const auto method = number<uint16_t>(record + 10);
        if (number<uint16_t>(record + 8) & encrypted || (method != stored && method != deflated)) {
            fail(ErrorCode::unsupported, path_, ": the zip entry '", name, "' is encrypted or compressed in a manner (",
                 method,
                 ") other than deflate; re-save the file in Python: "
                 "torch.save(torch.load(path, weights_only=True), path)");
        }
        constexpr uint64_t max_ratio = 1032;  // of deflate
        if (method == stored ? placement.size != placement.stored_size
                             : placement.size / max_ratio > placement.stored_size) {
            fail(ErrorCode::model_format, path_, ": the zip entry '", name, "' contradicts itself about its size");
        }
        const ZipEntry entry{name, find_stored(placement.local_header, placement.stored_size, name), placement.size,
                             number<uint32_t>(record + 16), method == deflated};
        const auto [place, is_new] = entries_.emplace(name, entry);
        if (!is_new) fail(ErrorCode::model_format, path_, ": the zip archive has '", name, "' twice");
        if (entry.deflated) inflated_[&place->second];  // entries stay where they are
    }
}

std::string ZipArchive::describe(const ZipEntry & entry) const {
    return path_ + ": the zip entry '" + entry.name + "'";
}

std::string ZipArchive::text(const ZipEntry & entry, uint64_t limit) const {
    if (entry.size > limit) {
        fail(ErrorCode::model_format, describe(entry), " has ", entry.size, " bytes, expected at most ", limit);
    }
    if (!entry.deflated) return std::string(entry.stored);
    std::string text;
    inflate(entry.stored, entry.size, entry.crc32, describe(entry),
            [&](const uint8_t * data, size_t n) { text.append(reinterpret_cast<const char *>(data), n); });
    return text;
}

const uint8_t * ZipArchive::data(const ZipEntry & entry) const {
    if (!entry.deflated) return reinterpret_cast<const uint8_t *>(entry.stored.data());
    const auto & [mutex, known] = inflated_.at(&entry);
    const std::lock_guard<std::mutex> lock(mutex);
    if (!known) {
        auto scratch = std::make_unique<ScratchFile>();
        inflate(entry.stored, entry.size, entry.crc32, describe(entry),
                [&](const uint8_t * data, size_t n) { scratch->write(data, n); });
        scratch->map();
        known = std::move(scratch);
    }
    return known->mapped().data();
}

std::string_view ZipArchive::find_stored(uint64_t local_header, uint64_t size, const std::string & name) const {
    const uint8_t * header = bytes(local_header, local_size, "an entry");
    if (number<uint32_t>(header) != local_signature) {
        fail(ErrorCode::model_format, path_, ": the zip entry '", name, "' is not where the directory says");
    }
    const uint64_t begin = local_header + local_size + number<uint16_t>(header + 26) + number<uint16_t>(header + 28);
    return {reinterpret_cast<const char *>(bytes(begin, size, "an entry")), static_cast<size_t>(size)};
}

}  // namespace altclip

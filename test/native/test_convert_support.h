// What the tests of files and conversion share: files made byte by byte.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "convert/weight_source.h"
#include "temporary_folder.h"

namespace support {

namespace fs = std::filesystem;

/// Every element of a tensor, as f32.
inline std::vector<float> read_all(const altclip::WeightSource & source, size_t tensor) {
    std::vector<float> values(static_cast<size_t>(altclip::element_count(source.tensors()[tensor].shape).value()));
    source.read(tensor, 0, static_cast<int64_t>(values.size()), values.data());
    return values;
}

inline std::string fixture(const std::string & name) {
    return std::string(ALTCLIP_FIXTURES) + "/" + name;
}

inline std::string read_file(const std::string & path) {
    std::ifstream file(fs::u8path(path), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
}

inline void write_file(const std::string & path, const std::string & bytes) {
    std::ofstream file(fs::u8path(path), std::ios::binary);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline void copy_folder(const std::string & from, const std::string & to) {
    fs::create_directories(fs::u8path(to));
    fs::copy(fs::u8path(from), fs::u8path(to), fs::copy_options::recursive);
}

/// Little-endian bytes of an integer.
inline std::string little(uint64_t value, int n_bytes) {
    std::string bytes;
    for (int i = 0; i < n_bytes; ++i) bytes += i < 8 ? static_cast<char>(value >> (8 * i)) : '\0';
    return bytes;
}

inline std::string floats(const std::vector<float> & values) {
    return std::string(reinterpret_cast<const char *>(values.data()), values.size() * sizeof(float));
}

inline std::string safetensors(const std::string & header, const std::string & data) {
    return little(header.size(), 8) + header + data;
}

/// A zip archive of stored entries, as torch.save writes it; checksums are left 0.
inline std::string zip(const std::vector<std::pair<std::string, std::string>> & entries, int method = 0) {
    std::string bytes;
    std::string directory;
    for (const auto & [name, data] : entries) {
        const std::string common = little(0, 2) + little(static_cast<uint64_t>(method), 2) + little(0, 8) +
                                   little(data.size(), 4) + little(data.size(), 4) + little(name.size(), 2) +
                                   little(0, 2);
        directory += little(0x02014b50, 4) + little(0, 4) + common + little(0, 10) + little(bytes.size(), 4) + name;
        bytes += little(0x04034b50, 4) + little(0, 2) + common + name + data;
    }
    return bytes + directory + little(0x06054b50, 4) + little(0, 4) + little(entries.size(), 2) +
           little(entries.size(), 2) + little(directory.size(), 4) + little(bytes.size(), 4) + little(0, 2);
}

/// The same as zip64, in which archives beyond 4 GB are written: every size and offset stands in the long fields.
inline std::string zip64(const std::vector<std::pair<std::string, std::string>> & entries) {
    const std::string absent = little(0xffffffff, 4);
    std::string bytes;
    std::string directory;
    for (const auto & [name, data] : entries) {
        const std::string sizes = little(data.size(), 8) + little(data.size(), 8);
        const std::string common = little(0, 12) + absent + absent + little(name.size(), 2);
        directory += little(0x02014b50, 4) + little(0, 4) + common + little(28, 2) + little(0, 10) + absent + name +
                     little(1, 2) + little(24, 2) + sizes + little(bytes.size(), 8);
        bytes += little(0x04034b50, 4) + little(0, 2) + common + little(20, 2) + name + little(1, 2) + little(16, 2) +
                 sizes + data;
    }
    const size_t end = bytes.size() + directory.size();
    return bytes + directory + little(0x06064b50, 4) + little(44, 8) + little(0, 12) + little(entries.size(), 8) +
           little(entries.size(), 8) + little(directory.size(), 8) + little(bytes.size(), 8) + little(0x07064b50, 4) +
           little(0, 4) + little(end, 8) + little(1, 4) + little(0x06054b50, 4) + little(0, 4) + little(0xffff, 2) +
           little(0xffff, 2) + absent + absent + little(0, 2);
}

}  // namespace support

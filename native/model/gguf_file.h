// A GGUF file, mapped and checked: every count, length, type, dimension and offset is held against the file's size
// before anything is handed out. Strings and arrays are views into the mapping.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ggml.h"
#include "io/mapped_file.h"

namespace altclip {

struct GgufTensor {
    std::string_view name;
    ggml_type type = GGML_TYPE_F32;
    int n_dims = 0;
    std::array<int64_t, GGML_MAX_DIMS> ne{1, 1, 1, 1};  // ggml's order: fastest dimension first
    size_t n_bytes = 0;
    const uint8_t * data = nullptr;  // inside the mapping
};

/// A key with its value.
struct GgufEntry {
    std::string_view key;
    std::string_view bytes;  // as it lies in the file: the key's length, the key, type and value
};

class GgufFile {
public:
    /// `path` is UTF-8. Throws io (cannot open) and model_format (foreign, truncated or damaged), naming the file.
    explicit GgufFile(const std::string & path);

    const std::string & path() const { return path_; }
    const uint8_t * data() const { return file_.data(); }  // the whole mapping
    size_t size() const { return file_.size(); }
    /// As MappedFile::forget: the part's memory goes back to the system until it is read again.
    void forget(const void * begin, const void * end) const { file_.forget(begin, end); }
    bool has(std::string_view key) const { return values_.count(key) != 0; }

    // Typed values. A missing key or another type throws model_format naming file, key and what was expected.
    uint32_t u32(std::string_view key) const;
    float f32(std::string_view key) const;
    double f64(std::string_view key) const;
    bool boolean(std::string_view key) const;
    std::string_view string(std::string_view key) const;
    std::vector<std::string_view> strings(std::string_view key) const;
    std::vector<float> f32s(std::string_view key) const;
    std::vector<double> f64s(std::string_view key) const;
    std::vector<int32_t> i32s(std::string_view key) const;
    std::string_view bytes(std::string_view key) const;  // u8[]

    const std::vector<GgufEntry> & entries() const { return entries_; }  // every key, in the file's order
    const std::vector<GgufTensor> & tensors() const { return tensors_; }
    const GgufTensor * find(std::string_view name) const;  // null where there is none

private:
    struct Value {
        int32_t type = 0;  // gguf_type; of the elements for an array
        bool is_array = false;
        uint64_t count = 1;
        const uint8_t * data = nullptr;
        size_t n_bytes = 0;
    };
    class Reader;

    const Value & value(std::string_view key, int32_t type, bool is_array) const;
    template <typename T>
    T scalar(std::string_view key, int32_t type) const;
    template <typename T>
    std::vector<T> array(std::string_view key, int32_t type) const;
    void read_values(Reader & reader, uint64_t n_values);
    void read_tensors(Reader & reader, uint64_t n_tensors);

    std::string path_;
    MappedFile file_;
    std::unordered_map<std::string_view, Value> values_;
    std::vector<GgufEntry> entries_;
    std::vector<GgufTensor> tensors_;
    std::unordered_map<std::string_view, size_t> by_name_;
};

}  // namespace altclip

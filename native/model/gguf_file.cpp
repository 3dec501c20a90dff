#include "model/gguf_file.h"

#include <cstring>
#include <limits>

#include "error.h"
#include "gguf.h"

namespace altclip {

namespace {

constexpr uint32_t max_version = GGUF_VERSION;
constexpr size_t max_name = GGML_MAX_NAME - 1;
// A model has some 60 keys, 1,100 tensors and 250,002 tokens; each makes us hold several times its bytes in the file.
constexpr uint64_t max_values = 1 << 16;
constexpr uint64_t max_tensors = 1 << 16;
constexpr uint64_t max_elements = 1 << 21;  // of an array that is copied

/// Bytes of one element; 0 for types that have no fixed size or do not exist.
size_t scalar_size(int32_t type) {
    switch (type) {
        case GGUF_TYPE_UINT8:
        case GGUF_TYPE_INT8:
        case GGUF_TYPE_BOOL: return 1;
        case GGUF_TYPE_UINT16:
        case GGUF_TYPE_INT16: return 2;
        case GGUF_TYPE_UINT32:
        case GGUF_TYPE_INT32:
        case GGUF_TYPE_FLOAT32: return 4;
        case GGUF_TYPE_UINT64:
        case GGUF_TYPE_INT64:
        case GGUF_TYPE_FLOAT64: return 8;
        default: return 0;
    }
}

std::string type_text(int32_t type, bool is_array) {
    const char * name = type >= 0 && type < GGUF_TYPE_COUNT ? gguf_type_name(static_cast<gguf_type>(type)) : "?";
    return is_array ? std::string("array of ") + name : name;
}

}  // namespace

/// Walks the mapped bytes; every step is checked against what is left.
class GgufFile::Reader {
public:
    Reader(const std::string & path, const uint8_t * data, size_t size) : path_(path), data_(data), size_(size) {}

    size_t position() const { return position_; }
    size_t left() const { return size_ - position_; }

    const uint8_t * take(uint64_t n_bytes, const char * what) {
        if (n_bytes > left()) {
            fail(ErrorCode::model_format, path_, ": ends inside ", what, " at byte ", position_, " of ", size_);
        }
        const uint8_t * at = data_ + position_;
        position_ += static_cast<size_t>(n_bytes);
        return at;
    }
    template <typename T>
    T number(const char * what) {
        T value;
        std::memcpy(&value, take(sizeof(T), what), sizeof(T));
        return value;
    }
    std::string_view string(const char * what) {
        const auto length = number<uint64_t>(what);
        return {reinterpret_cast<const char *>(take(length, what)), static_cast<size_t>(length)};
    }

private:
    const std::string & path_;
    const uint8_t * data_;
    size_t size_;
    size_t position_ = 0;
};

GgufFile::GgufFile(const std::string & path) : path_(path), file_(path) {
    Reader reader(path_, file_.data(), file_.size());
    if (file_.size() < 4 || std::memcmp(file_.data(), GGUF_MAGIC, 4) != 0) {
        fail(ErrorCode::model_format, path_, ": not a GGUF file (it does not begin with 'GGUF')");
    }
    reader.take(4, "the magic");
    const auto version = reader.number<uint32_t>("the version");
    if (version < 2 || version > max_version) {
        fail(ErrorCode::model_format, path_, ": GGUF version ", version, ", expected 2 or 3");
    }
    const auto n_tensors = reader.number<uint64_t>("the tensor count");
    const auto n_values = reader.number<uint64_t>("the key count");
    read_values(reader, n_values);
    read_tensors(reader, n_tensors);
}

void GgufFile::read_values(Reader & reader, uint64_t n_values) {
    constexpr uint64_t smallest = 8 + 4 + 1;  // an empty key, a type, one byte
    if (n_values > max_values || n_values > reader.left() / smallest)
        fail(ErrorCode::model_format, path_, ": claims ", n_values, " keys");
    values_.reserve(static_cast<size_t>(n_values));
    for (uint64_t i = 0; i < n_values; ++i) {
        const size_t begin = reader.position();
        const std::string_view key = reader.string("a key");
        Value value;
        value.type = reader.number<int32_t>("a value's type");
        if (value.type == GGUF_TYPE_ARRAY) {
            value.is_array = true;
            value.type = reader.number<int32_t>("an array's type");
            value.count = reader.number<uint64_t>("an array's length");
        }
        const size_t element = scalar_size(value.type);
        if (element == 0 && value.type != GGUF_TYPE_STRING) {
            fail(ErrorCode::model_format, path_, ": key '", key, "' has the unknown type ", value.type);
        }
        value.data = file_.data() + reader.position();
        if (value.type == GGUF_TYPE_STRING) {
            for (uint64_t j = 0; j < value.count; ++j) reader.string("a string value");
        } else {
            if (value.count > reader.left() / element) {
                fail(ErrorCode::model_format, path_, ": key '", key, "' claims ", value.count, " elements");
            }
            reader.take(value.count * element, "a value");
        }
        value.n_bytes = static_cast<size_t>(file_.data() + reader.position() - value.data);
        if (!values_.emplace(key, value).second) fail(ErrorCode::model_format, path_, ": key '", key, "' twice");
        entries_.push_back({key, {reinterpret_cast<const char *>(file_.data()) + begin, reader.position() - begin}});
    }
}

void GgufFile::read_tensors(Reader & reader, uint64_t n_tensors) {
    constexpr uint64_t smallest = 8 + 4 + 8 + 4 + 8;  // an empty name, one dimension, type, offset
    if (n_tensors > max_tensors || n_tensors > reader.left() / smallest)
        fail(ErrorCode::model_format, path_, ": claims ", n_tensors, " tensors");
    const uint64_t alignment =
        has(GGUF_KEY_GENERAL_ALIGNMENT) ? u32(GGUF_KEY_GENERAL_ALIGNMENT) : GGUF_DEFAULT_ALIGNMENT;
    if (alignment < 32 || alignment > 4096 || (alignment & (alignment - 1)) != 0) {
        fail(ErrorCode::model_format, path_, ": ", GGUF_KEY_GENERAL_ALIGNMENT, " is ", alignment,
             ", expected a power of two from 32 to 4096");
    }
    std::vector<uint64_t> offsets;
    for (uint64_t i = 0; i < n_tensors; ++i) {
        GgufTensor tensor;
        tensor.name = reader.string("a tensor's name");
        if (tensor.name.size() > max_name)
            fail(ErrorCode::model_format, path_, ": a tensor's name has ", tensor.name.size(), " bytes");
        const auto n_dims = reader.number<uint32_t>("a tensor's dimensions");
        if (n_dims < 1 || n_dims > GGML_MAX_DIMS) {
            fail(ErrorCode::model_format, path_, ": tensor '", tensor.name, "' has ", n_dims,
                 " dimensions, expected 1 to ", GGML_MAX_DIMS);
        }
        tensor.n_dims = static_cast<int>(n_dims);
        uint64_t n_elements = 1;
        for (uint32_t d = 0; d < n_dims; ++d) {
            const auto ne = reader.number<uint64_t>("a tensor's shape");
            if (ne == 0 || ne > static_cast<uint64_t>(std::numeric_limits<int32_t>::max()) ||
                n_elements > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) / 8 / ne) {
                fail(ErrorCode::model_format, path_, ": tensor '", tensor.name, "' has a dimension of ", ne);
            }
            n_elements *= ne;
            tensor.ne[d] = static_cast<int64_t>(ne);
        }
        const auto type = reader.number<int32_t>("a tensor's type");
        if (type < 0 || type >= GGML_TYPE_COUNT || ggml_blck_size(static_cast<ggml_type>(type)) == 0) {
            fail(ErrorCode::model_format, path_, ": tensor '", tensor.name, "' has the unknown type ", type);
        }
        tensor.type = static_cast<ggml_type>(type);
        if (tensor.ne[0] % ggml_blck_size(tensor.type) != 0) {
            fail(ErrorCode::model_format, path_, ": tensor '", tensor.name, "' has rows of ", tensor.ne[0],
                 " values, not a multiple of ", ggml_blck_size(tensor.type), " as ", ggml_type_name(tensor.type),
                 " needs");
        }
        tensor.n_bytes = static_cast<size_t>(n_elements / static_cast<uint64_t>(ggml_blck_size(tensor.type)) *
                                             ggml_type_size(tensor.type));
        offsets.push_back(reader.number<uint64_t>("a tensor's offset"));
        tensors_.push_back(tensor);
    }

    const uint64_t begin = (reader.position() + alignment - 1) / alignment * alignment;
    const uint64_t room = file_.size() > begin ? file_.size() - begin : 0;
    uint64_t n_claimed = 0;  // by tensors that overlap a small file could make us hold any number of copies
    for (size_t i = 0; i < tensors_.size(); ++i) {
        GgufTensor & tensor = tensors_[i];
        if (offsets[i] % alignment != 0 || offsets[i] > room || tensor.n_bytes > room - offsets[i]) {
            fail(ErrorCode::model_format, path_, ": tensor '", tensor.name, "' (", tensor.n_bytes, " bytes at offset ",
                 offsets[i], ") lies beyond the end of the file (", file_.size(),
                 " bytes) or unaligned; is the file truncated?");
        }
        n_claimed += tensor.n_bytes;
        if (n_claimed > room) fail(ErrorCode::model_format, path_, ": tensor '", tensor.name, "' overlaps another one");
        tensor.data = file_.data() + begin + offsets[i];
        if (!by_name_.emplace(tensor.name, i).second)
            fail(ErrorCode::model_format, path_, ": tensor '", tensor.name, "' twice");
    }
}

const GgufTensor * GgufFile::find(std::string_view name) const {
    const auto at = by_name_.find(name);
    return at == by_name_.end() ? nullptr : &tensors_[at->second];
}

const GgufFile::Value & GgufFile::value(std::string_view key, int32_t type, bool is_array) const {
    const auto at = values_.find(key);
    if (at == values_.end()) fail(ErrorCode::model_format, path_, ": the key '", key, "' is missing");
    const Value & found = at->second;
    if (found.type != type || found.is_array != is_array) {
        fail(ErrorCode::model_format, path_, ": the key '", key, "' is of type ", type_text(found.type, found.is_array),
             ", expected ", type_text(type, is_array));
    }
    // bytes() hands out a view, which costs nothing
    if (is_array && type != GGUF_TYPE_UINT8 && found.count > max_elements) {
        fail(ErrorCode::model_format, path_, ": the key '", key, "' has ", found.count, " elements, expected at most ",
             max_elements);
    }
    return found;
}

template <typename T>
T GgufFile::scalar(std::string_view key, int32_t type) const {
    T number;
    std::memcpy(&number, value(key, type, false).data, sizeof(T));
    return number;
}

template <typename T>
std::vector<T> GgufFile::array(std::string_view key, int32_t type) const {
    const Value & found = value(key, type, true);
    std::vector<T> numbers(static_cast<size_t>(found.count));
    if (!numbers.empty()) std::memcpy(numbers.data(), found.data, found.n_bytes);
    return numbers;
}

uint32_t GgufFile::u32(std::string_view key) const {
    return scalar<uint32_t>(key, GGUF_TYPE_UINT32);
}
float GgufFile::f32(std::string_view key) const {
    return scalar<float>(key, GGUF_TYPE_FLOAT32);
}
double GgufFile::f64(std::string_view key) const {
    return scalar<double>(key, GGUF_TYPE_FLOAT64);
}
bool GgufFile::boolean(std::string_view key) const {
    return scalar<uint8_t>(key, GGUF_TYPE_BOOL) != 0;
}
std::vector<float> GgufFile::f32s(std::string_view key) const {
    return array<float>(key, GGUF_TYPE_FLOAT32);
}
std::vector<double> GgufFile::f64s(std::string_view key) const {
    return array<double>(key, GGUF_TYPE_FLOAT64);
}
std::vector<int32_t> GgufFile::i32s(std::string_view key) const {
    return array<int32_t>(key, GGUF_TYPE_INT32);
}

namespace {

/// A string value whose length the constructor has checked already; moves `at` behind it.
std::string_view next_string(const uint8_t *& at) {
    uint64_t length;
    std::memcpy(&length, at, sizeof(length));
    const std::string_view text(reinterpret_cast<const char *>(at + sizeof(length)), static_cast<size_t>(length));
    at += sizeof(length) + length;
    return text;
}

}  // namespace

std::string_view GgufFile::string(std::string_view key) const {
    const uint8_t * at = value(key, GGUF_TYPE_STRING, false).data;
    return next_string(at);
}

std::vector<std::string_view> GgufFile::strings(std::string_view key) const {
    const Value & found = value(key, GGUF_TYPE_STRING, true);
    std::vector<std::string_view> all(static_cast<size_t>(found.count));
    const uint8_t * at = found.data;
    for (std::string_view & one : all) one = next_string(at);
    return all;
}

std::string_view GgufFile::bytes(std::string_view key) const {
    const Value & found = value(key, GGUF_TYPE_UINT8, true);
    return {reinterpret_cast<const char *>(found.data), found.n_bytes};
}

}  // namespace altclip

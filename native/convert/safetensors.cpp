#include "convert/safetensors.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "convert/json_file.h"
#include "error.h"
#include "io/mapped_file.h"

namespace altclip {

namespace {

constexpr uint64_t max_header = 100'000'000;  // the reference implementation's own limit

struct DType {
    const char * name;
    int64_t n_bytes;
    SourceType type;
};

constexpr DType dtypes[] = {
    {"F32", 4, SourceType::f32},    {"F16", 2, SourceType::f16},       {"BF16", 2, SourceType::bf16},
    {"F64", 8, SourceType::f64},    {"I64", 8, SourceType::other},     {"U64", 8, SourceType::other},
    {"I32", 4, SourceType::other},  {"U32", 4, SourceType::other},     {"I16", 2, SourceType::other},
    {"U16", 2, SourceType::other},  {"I8", 1, SourceType::other},      {"U8", 1, SourceType::other},
    {"BOOL", 1, SourceType::other}, {"F8_E4M3", 1, SourceType::other}, {"F8_E5M2", 1, SourceType::other},
};

const DType * find_dtype(const std::string & name) {
    const auto * at =
        std::find_if(std::begin(dtypes), std::end(dtypes), [&](const DType & d) { return name == d.name; });
    return at == std::end(dtypes) ? nullptr : at;
}

class Safetensors : public WeightSource {
public:
    explicit Safetensors(const std::string & path) : path_(path), file_(path) {
        uint64_t n_header = 0;
        if (file_.size() < sizeof(n_header)) broken("too short for a safetensors file: ", file_.size(), " bytes");
        std::memcpy(&n_header, file_.data(), sizeof(n_header));
        const uint64_t n_behind = file_.size() - sizeof(n_header);
        if (n_header > max_header || n_header > n_behind) {
            broken("claims a header of ", n_header, " bytes, the file has ", file_.size(),
                   "; is it a safetensors file, and complete?");
        }
        const auto * header = reinterpret_cast<const char *>(file_.data() + sizeof(n_header));
        data_ = file_.data() + sizeof(n_header) + n_header;
        n_data_ = static_cast<int64_t>(n_behind - n_header);
        read_header(parse_json({header, static_cast<size_t>(n_header)}, path_));
    }

    const std::vector<SourceTensor> & tensors() const override { return tensors_; }
    const std::string & file_of(size_t) const override { return path_; }
    void read(size_t tensor, int64_t first, int64_t count, float * out) const override {
        widen(tensors_[tensor].type, at(tensor, first), count, out);
    }
    void expect(size_t tensor, int64_t first, int64_t count) const override {
        file_.expect(at(tensor, first), at(tensor, first + count));
    }
    void forget(size_t tensor, int64_t first, int64_t count) const override {
        file_.forget(at(tensor, first), at(tensor, first + count));
    }

private:
    struct Span {
        int64_t begin = 0;  // bytes behind data_
        int64_t end = 0;
        int64_t element = 0;  // bytes of one
    };

    const uint8_t * at(size_t tensor, int64_t element) const {
        return data_ + spans_[tensor].begin + element * spans_[tensor].element;
    }

    template <typename... Parts>
    [[noreturn]] void broken(const Parts &... parts) const {
        fail(ErrorCode::model_format, path_, ": ", parts...);
    }

    void read_header(const nlohmann::json & header) {
        if (!header.is_object()) broken("the header is not a JSON object");
        for (const auto & [name, entry] : header.items()) {
            if (name != "__metadata__") read_entry(name, entry);
        }
        check_coverage();
    }

    void read_entry(const std::string & name, const nlohmann::json & entry) {
        const JsonObject fields(entry, path_, name + ".");
        const std::string dtype_name = fields.string("dtype", "");
        const DType * dtype = find_dtype(dtype_name);
        if (!dtype) broken("tensor '", name, "' has the unknown dtype '", dtype_name, "'");
        SourceTensor tensor{name, dtype->type, dtype_name, integers(fields, "shape")};
        const std::vector<int64_t> offsets = integers(fields, "data_offsets");
        if (offsets.size() != 2 || offsets[0] < 0 || offsets[1] < offsets[0] || offsets[1] > n_data_) {
            broken("tensor '", name, "' has data_offsets ", shape_text(offsets), ", the file holds ", n_data_,
                   " bytes of tensors; is it complete?");
        }
        const std::optional<int64_t> n = element_count(tensor.shape);
        if (!n || *n * dtype->n_bytes != offsets[1] - offsets[0]) {
            broken("tensor '", name, "' of ", dtype_name, " ", shape_text(tensor.shape),
                   " does not fill its data_offsets ", shape_text(offsets));
        }
        tensors_.push_back(std::move(tensor));
        spans_.push_back({offsets[0], offsets[1], dtype->n_bytes});
    }

    std::vector<int64_t> integers(const JsonObject & fields, const std::string & key) const {
        const nlohmann::json * value = fields.find(key);
        if (!value || !value->is_array()) fields.fail_type(key, "an array of integers");
        std::vector<int64_t> all;
        for (const nlohmann::json & one : *value) {
            if (!one.is_number_unsigned() || one.get<uint64_t>() > uint64_t{1} << 48) {
                fields.fail_type(key, "an array of integers from 0 to 2^48");
            }
            all.push_back(one.get<int64_t>());
        }
        return all;
    }

    /// The format forbids overlaps, gaps and bytes behind the last tensor.
    void check_coverage() const {
        std::vector<Span> sorted = spans_;
        std::sort(sorted.begin(), sorted.end(),
                  [](const Span & a, const Span & b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
        int64_t at = 0;
        for (const Span & span : sorted) {
            if (span.begin != at) broken("its tensors overlap or leave a gap at byte ", at, " of the data");
            at = span.end;
        }
        if (at != n_data_) broken("holds ", n_data_, " bytes of tensors, the header accounts for ", at);
    }

    std::string path_;
    MappedFile file_;
    const uint8_t * data_ = nullptr;
    int64_t n_data_ = 0;
    std::vector<SourceTensor> tensors_;
    std::vector<Span> spans_;
};

}  // namespace

std::unique_ptr<WeightSource> open_safetensors(const std::string & path) {
    return std::make_unique<Safetensors>(path);
}

}  // namespace altclip

#include "convert/torch_file.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "convert/pickle.h"
#include "convert/zip_archive.h"
#include "error.h"
#include "io/mapped_file.h"

namespace altclip {

namespace {

using Kind = PickleValue::Kind;

constexpr size_t max_tensors = size_t{1} << 15;  // AltCLIP-m18 has 1,100

struct Storage {
    const char * name;
    int64_t n_bytes;  // of an element
    SourceType type;
};

constexpr Storage storages[] = {
    {"torch.FloatStorage", 4, SourceType::f32},     {"torch.HalfStorage", 2, SourceType::f16},
    {"torch.BFloat16Storage", 2, SourceType::bf16}, {"torch.DoubleStorage", 8, SourceType::f64},
    {"torch.LongStorage", 8, SourceType::other},    {"torch.IntStorage", 4, SourceType::other},
    {"torch.ShortStorage", 2, SourceType::other},   {"torch.CharStorage", 1, SourceType::other},
    {"torch.ByteStorage", 1, SourceType::other},    {"torch.BoolStorage", 1, SourceType::other},
};

/// How a tensor lies in its storage.
struct Layout {
    const ZipEntry * storage = nullptr;
    int64_t begin = 0;             // bytes from the storage's beginning to element 0
    int64_t element = 0;           // bytes
    std::vector<int64_t> strides;  // elements
    bool contiguous = true;
};

void check_kind(const std::string & path) {
    const MappedFile file(path);
    const std::string_view start(reinterpret_cast<const char *>(file.data()), std::min<size_t>(file.size(), 2));
    if (start == "PK") return;
    if (!start.empty() && start[0] == '\x80') {
        fail(ErrorCode::unsupported, path,
             ": a pickle in the format from before PyTorch 1.6, expected a zip archive; re-save it in Python: "
             "torch.save(torch.load(path, weights_only=True), path)");
    }
    fail(ErrorCode::model_format, path, ": not a file that torch.save writes (it does not begin with 'PK')");
}

class TorchFile : public WeightSource {
public:
    explicit TorchFile(const std::string & path) : path_(path), archive_(path) {
        pickle_ = read_pickle(find_pickle(), path_);
        const PickleValue & root = pickle_[pickle_.root];
        if (root.kind != Kind::dict) broken("holds no state dict");
        std::unordered_set<std::string_view> names;
        for (size_t i = 0; i < root.items.size(); i += 2) {
            const PickleValue & key = pickle_[root.items[i]];
            if (key.kind != Kind::text) broken("the state dict has a key that is not a string");
            // a name recalled again and again would be copied each time
            if (!names.insert(key.text).second) broken("the tensor '", key.text, "' stands there twice");
            if (tensors_.size() == max_tensors) broken("holds more than ", max_tensors, " tensors");
            read_tensor(key.text, pickle_[root.items[i + 1]]);
        }
        pickle_ = {};
    }

    const std::vector<SourceTensor> & tensors() const override { return tensors_; }
    const std::string & file_of(size_t) const override { return path_; }
    void read(size_t tensor, int64_t first, int64_t count, float * out) const override {
        const SourceType type = tensors_[tensor].type;
        const Layout & layout = layouts_[tensor];
        const std::vector<int64_t> & shape = tensors_[tensor].shape;
        const uint8_t * data = archive_.data(*layout.storage) + layout.begin;
        if (layout.contiguous) return widen(type, data + first * layout.element, count, out);
        read_strided(type, data, layout, shape, first, count, out);
    }
    void expect(size_t tensor, int64_t first, int64_t count) const override {
        const Layout & layout = layouts_[tensor];
        if (layout.storage->deflated || !layout.contiguous) return;
        const uint8_t * begin = archive_.data(*layout.storage) + layout.begin + first * layout.element;
        archive_.expect(begin, begin + count * layout.element);
    }
    void forget(size_t tensor, int64_t first, int64_t count) const override {
        const Layout & layout = layouts_[tensor];
        const std::vector<int64_t> & shape = tensors_[tensor].shape;
        const uint8_t * data = archive_.data(*layout.storage) + layout.begin;
        if (layout.contiguous) {
            const uint8_t * begin = data + first * layout.element;
            return archive_.forget(begin, begin + count * layout.element);
        }
        int64_t last = 0;  // rows of it lie anywhere in it
        for (size_t d = 0; d < shape.size(); ++d) last += (shape[d] - 1) * layout.strides[d];
        archive_.forget(data, data + last * layout.element);
    }

private:
    template <typename... Parts>
    [[noreturn]] void broken(const Parts &... parts) const {
        fail(ErrorCode::model_format, path_, ": ", parts...);
    }

    std::string find_pickle() {
        constexpr uint64_t max_pickle = uint64_t{64} << 20, max_byteorder = 16;
        const std::string wanted = "/data.pkl";
        const ZipEntry * found = nullptr;
        for (const auto & [name, entry] : archive_.entries()) {
            if (name.size() < wanted.size() || name.compare(name.size() - wanted.size(), wanted.size(), wanted) != 0) {
                continue;
            }
            if (found) broken("the archive has more than one data.pkl");
            found = &entry;
            root_ = name.substr(0, name.size() - wanted.size());
        }
        if (!found) broken("the archive has no data.pkl: not a file that torch.save writes");
        const auto order = archive_.entries().find(root_ + "/byteorder");
        if (order != archive_.entries().end()) {
            const std::string bytes = archive_.text(order->second, max_byteorder);
            if (bytes != "little")
                fail(ErrorCode::unsupported, path_, ": its byte order is '", bytes, "', expected 'little'");
        }
        return archive_.text(*found, max_pickle);
    }

    void read_tensor(const std::string & name, const PickleValue & value) {
        const auto bad = [&](const char * what) { broken("'", name, "': ", what); };
        if (value.kind == Kind::call && value.text == "torch._utils._rebuild_parameter" && !value.items.empty()) {
            const PickleValue & data = pickle_[value.items[0]];
            if (data.text == value.text) bad("a parameter inside a parameter");
            return read_tensor(name, data);
        }
        if (value.kind != Kind::call || value.text != "torch._utils._rebuild_tensor_v2") {
            bad("expected a tensor; is it a training checkpoint rather than a state dict?");
        }
        // (storage, storage_offset, size, stride, requires_grad, backward_hooks[, metadata])
        if (value.items.size() < 4) bad("a tensor has too few arguments");
        const std::vector<int64_t> shape = integers(name, pickle_[value.items[2]]);
        const std::vector<int64_t> strides = integers(name, pickle_[value.items[3]]);
        const PickleValue & offset = pickle_[value.items[1]];
        if (offset.kind != Kind::integer || shape.size() != strides.size())
            bad("a tensor's offset or strides are damaged");
        add(name, pickle_[value.items[0]], offset.integer, shape, strides);
    }

    std::vector<int64_t> integers(const std::string & name, const PickleValue & tuple) const {
        constexpr size_t max_dimensions = 16;
        std::vector<int64_t> all;
        if (tuple.kind != Kind::tuple || tuple.items.size() > max_dimensions)
            broken("'", name, "': its shape is damaged");
        for (const uint32_t item : tuple.items) {
            const PickleValue & one = pickle_[item];
            if (one.kind != Kind::integer || one.integer < 0) broken("'", name, "': its shape is damaged");
            all.push_back(one.integer);
        }
        return all;
    }

    void add(const std::string & name, const PickleValue & reference, int64_t offset,
             const std::vector<int64_t> & shape, const std::vector<int64_t> & strides) {
        const auto [storage, entry] = find_storage(name, reference);
        const int64_t n_stored = static_cast<int64_t>(entry->size) / storage->n_bytes;
        const std::optional<int64_t> n = element_count(shape);
        // the last element touched must be in the storage; step by step, so that nothing overflows
        bool inside = n && *n <= n_stored && offset >= 0 && offset <= n_stored - (*n > 0 ? 1 : 0);
        int64_t left = inside ? n_stored - 1 - offset : 0;
        Layout layout{entry, 0, storage->n_bytes, strides, true};
        int64_t dense = 1;
        for (size_t d = shape.size(); inside && *n > 0 && d-- > 0;) {
            if (shape[d] > 1) {
                inside = strides[d] <= left / (shape[d] - 1);
                layout.contiguous = layout.contiguous && strides[d] == dense;
                if (inside) left -= strides[d] * (shape[d] - 1);
            }
            dense *= shape[d];
        }
        if (!inside) {
            broken("'", name, "' of shape ", shape_text(shape), " with strides ", shape_text(strides), " at element ",
                   offset, " lies outside its storage of ", n_stored, " elements");
        }
        layout.begin = offset * storage->n_bytes;
        constexpr uint64_t max_waste = uint64_t{64} << 20;
        if (entry->deflated && entry->size - static_cast<uint64_t>(*n * storage->n_bytes) > max_waste &&
            *n < n_stored / 2) {
            broken("'", name, "' takes ", *n, " of the ", n_stored, " elements of a compressed storage; re-save it");
        }
        layouts_.push_back(std::move(layout));
        tensors_.push_back({name, storage->type, storage->name, shape});
    }

    /// From a persistent id: ('storage', type, key, location, elements).
    std::pair<const Storage *, const ZipEntry *> find_storage(const std::string & name,
                                                              const PickleValue & reference) const {
        const bool is_reference = reference.kind == Kind::persistent && pickle_[reference.items[0]].kind == Kind::tuple;
        const std::vector<uint32_t> none;
        const std::vector<uint32_t> & id = is_reference ? pickle_[reference.items[0]].items : none;
        if (id.size() != 5 || pickle_[id[0]].text != "storage" || pickle_[id[1]].kind != Kind::global ||
            pickle_[id[2]].kind != Kind::text || pickle_[id[4]].kind != Kind::integer) {
            broken("'", name, "': its storage is damaged");
        }
        const std::string & type = pickle_[id[1]].text;
        const auto * storage =
            std::find_if(std::begin(storages), std::end(storages), [&](const Storage & s) { return type == s.name; });
        if (storage == std::end(storages)) broken("'", name, "': '", type, "' is no storage");
        const auto entry = archive_.entries().find(root_ + "/data/" + pickle_[id[2]].text);
        if (entry == archive_.entries().end())
            broken("'", name, "': the archive lacks its storage data/", pickle_[id[2]].text);
        const int64_t n = pickle_[id[4]].integer;
        const auto n_bytes = static_cast<int64_t>(entry->second.size);
        if (n < 0 || n > n_bytes / storage->n_bytes || n * storage->n_bytes != n_bytes) {
            broken("'", name, "': its storage has ", n_bytes, " bytes, expected ", n, " elements of ",
                   storage->n_bytes);
        }
        return {storage, &entry->second};
    }

    static void read_strided(SourceType type, const uint8_t * data, const Layout & layout,
                             const std::vector<int64_t> & shape, int64_t first, int64_t count, float * out) {
        std::vector<int64_t> index(shape.size());
        for (size_t d = shape.size(); d-- > 0;) {
            index[d] = first % shape[d];
            first /= shape[d];
        }
        for (int64_t i = 0; i < count; ++i) {
            int64_t at = 0;
            for (size_t d = 0; d < shape.size(); ++d) at += index[d] * layout.strides[d];
            widen(type, data + at * layout.element, 1, out + i);
            for (size_t d = shape.size(); d-- > 0;) {
                if (++index[d] < shape[d]) break;
                index[d] = 0;
            }
        }
    }

    std::string path_;
    ZipArchive archive_;
    std::string root_;  // folder inside the archive
    Pickle pickle_;
    std::vector<SourceTensor> tensors_;
    std::vector<Layout> layouts_;
};

}  // namespace

std::unique_ptr<WeightSource> open_torch_file(const std::string & path) {
    check_kind(path);
    return std::make_unique<TorchFile>(path);
}

}  // namespace altclip

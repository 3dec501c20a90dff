#include "convert/copy_model.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "convert/convert.h"
#include "error.h"
#include "gguf.h"
#include "io/atomic_file.h"
#include "model/gguf_file.h"
#include "model/hparams.h"
#include "model/names.h"

namespace altclip {

namespace {

/// What belongs to one tower alone: the key that says it is there, and how its keys, those of its input and its tensors
/// begin.
struct Owned {
    std::string_view flag;
    std::vector<std::string_view> starts;
};
const Owned of_text = {keys::has_text_encoder, {"altclip.text.", "altclip.tokenizer.", "tokenizer.", "t."}};
const Owned of_vision = {keys::has_vision_encoder, {"altclip.vision.", "altclip.image.", "v."}};

bool belongs_to(const Owned & owned, std::string_view name) {
    return std::any_of(owned.starts.begin(), owned.starts.end(),
                       [&](std::string_view start) { return name.substr(0, start.size()) == start; });
}

/// Keys and tensors of a file, without those of the tower that is left out.
struct Contents {
    std::vector<std::string> entries;  // as they lie in a file
    std::vector<GgufTensor> tensors;
    uint64_t alignment = GGUF_DEFAULT_ALIGNMENT;
};

Contents contents_of(const GgufFile & file, const std::string & tower) {
    Contents kept;
    if (file.has(GGUF_KEY_GENERAL_ALIGNMENT)) kept.alignment = file.u32(GGUF_KEY_GENERAL_ALIGNMENT);
    const Owned & other = tower == "text" ? of_vision : of_text;
    const auto is_left_out = [&](std::string_view name) { return !tower.empty() && belongs_to(other, name); };
    for (const GgufEntry & entry : file.entries()) {
        if (is_left_out(entry.key)) continue;
        kept.entries.emplace_back(entry.bytes);
        if (!tower.empty() && entry.key == other.flag) kept.entries.back().back() = '\0';  // a bool is one byte
    }
    for (const GgufTensor & tensor : file.tensors()) {
        if (!is_left_out(tensor.name)) kept.tensors.push_back(tensor);
    }
    return kept;
}

template <typename T>
void append(std::string & bytes, T value) {
    bytes.append(reinterpret_cast<const char *>(&value), sizeof(value));
}

/// All before the tensors' data, padded (ggml's docs/gguf.md).
std::string header_of(const Contents & contents) {
    std::string bytes = GGUF_MAGIC;
    append<uint32_t>(bytes, GGUF_VERSION);
    append<int64_t>(bytes, static_cast<int64_t>(contents.tensors.size()));
    append<int64_t>(bytes, static_cast<int64_t>(contents.entries.size()));
    for (const std::string & entry : contents.entries) bytes += entry;
    uint64_t offset = 0;
    for (const GgufTensor & tensor : contents.tensors) {
        append<uint64_t>(bytes, tensor.name.size());
        bytes += tensor.name;
        append<uint32_t>(bytes, static_cast<uint32_t>(tensor.n_dims));
        for (int d = 0; d < tensor.n_dims; ++d) append<int64_t>(bytes, tensor.ne[static_cast<size_t>(d)]);
        append<int32_t>(bytes, tensor.type);
        append<uint64_t>(bytes, offset);
        offset += GGML_PAD(tensor.n_bytes, contents.alignment);
    }
    bytes.resize(GGML_PAD(bytes.size(), contents.alignment));
    return bytes;
}

}  // namespace

void copy_model(const CopyOptions & options) {
    constexpr size_t n_piece = size_t{4} << 20;
    check_tower(options.tower);
    const GgufFile file(options.source);
    const Hparams hparams = read_hparams(file);
    check_has_tower(options.tower, hparams, options.source);
    const Contents contents = contents_of(file, options.tower);
    AtomicFile output(options.output);
    const std::string header = header_of(contents);
    output.write(header.data(), header.size());
    for (const GgufTensor & tensor : contents.tensors) {
        for (size_t at = 0; at < tensor.n_bytes; at += n_piece) {
            options.abort.throw_if_aborted();
            const size_t n = std::min(n_piece, tensor.n_bytes - at);
            output.write(tensor.data + at, n);
            file.forget(tensor.data + at, tensor.data + at + n);
        }
        output.write_zeros(GGML_PAD(tensor.n_bytes, contents.alignment) - tensor.n_bytes);
    }
    options.abort.throw_if_aborted();
    output.commit();
}

}  // namespace altclip

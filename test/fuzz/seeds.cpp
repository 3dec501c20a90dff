#include "seeds.h"

#include <cmath>

#include "convert/config.h"
#include "convert/convert.h"
#include "convert/tensor_map.h"
#include "gguf.h"
#include "test_convert_support.h"

namespace fuzz {

using namespace altclip;
using nlohmann::json;

namespace {

const std::string space = "\xe2\x96\x81";
const std::vector<std::string> pieces = {space,        "a",  "b",   "c",   space + "a",
                                         space + "ab", "ab", "abc", "cab", "\xc3\xa9"};

/// Replaces "d" by "b": darts-clone's double array of one key, then the replacements.
std::string charsmap() {
    std::vector<uint32_t> units(512);
    units[0] = 256u << 10;
    units[256 ^ 'd'] = 'd' | 1u << 8 | 1u << 10;  // a label, a value behind offset 1
    units[256 ^ 'd' ^ 1] = 1u << 31;              // replacement at 0
    std::string bytes = support::little(4 * units.size(), 4);
    for (const uint32_t unit : units) bytes += support::little(unit, 4);
    return bytes + std::string("b\0", 2);
}

std::string base64(const std::string & bytes) {
    constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    for (size_t i = 0; i < bytes.size(); i += 3) {
        uint32_t bits = 0;
        for (size_t j = 0; j < 3; ++j)
            bits = bits << 8 | (i + j < bytes.size() ? static_cast<uint8_t>(bytes[i + j]) : 0u);
        for (size_t j = 0; j < 4; ++j) text += i + j > bytes.size() ? '=' : digits[bits >> (18 - 6 * j) & 63];
    }
    return text;
}

struct Weight {
    std::string name;
    std::vector<int64_t> shape;
    std::string bytes;  // f32
};

std::vector<Weight> weights() {
    std::vector<Weight> all;
    float phase = 0;
    for (const TensorSpec & spec : model_tensors(parse_config(config().dump(), "config").hparams)) {
        std::vector<float> values(static_cast<size_t>(element_count(spec.shape).value()));
        for (float & value : values) value = 0.1f * std::sin(phase += 0.7f);
        all.push_back({spec.source_name, spec.shape, support::floats(values)});
    }
    return all;
}

/// Protobuf: a field of length `bytes`, below 16384.
void field(Parts & parts, int number, const std::string & bytes) {
    parts.number(static_cast<uint64_t>(number) << 3 | 2, 1);
    if (bytes.size() < 128) {
        parts.counted(bytes, 1);
    } else {
        parts.number((bytes.size() & 0x7f) | 0x80 | (bytes.size() >> 7) << 8, 2).text(bytes);
    }
}

std::string piece_message(const std::string & text, float score, int type) {
    return "\x0a" + support::little(text.size(), 1) + text + "\x15" + support::floats({score}) + "\x18" +
           support::little(static_cast<uint64_t>(type), 1);
}

// --- pickle ---------------------------------------------------------------------------------------------------------

void opcode(Parts & parts, const char * code) {
    parts.raw(code);
}
void pickle_text(Parts & parts, const std::string & text) {
    opcode(parts, "X");
    parts.counted(text, 4);
}
void global(Parts & parts, const std::string & module, const std::string & name) {
    opcode(parts, "c");
    parts.text(module).raw("\n").text(name).raw("\n");
}
void integer(Parts & parts, int64_t value) {
    opcode(parts, "\x8a");
    parts.number(8, 1).number(static_cast<uint64_t>(value), 8);
}
void tuple(Parts & parts, const std::vector<int64_t> & values) {
    opcode(parts, "(");
    for (const int64_t value : values) integer(parts, value);
    opcode(parts, "t");
}

/// As torch.save writes it; memo entry 0 is "storage", 1 the function that rebuilds.
void tensor(Parts & parts, const Weight & weight, size_t index) {
    int64_t n = 1;
    std::vector<int64_t> strides(weight.shape.size());
    for (size_t d = strides.size(); d-- > 0; n *= weight.shape[d]) strides[d] = n;
    if (index == 0) {
        global(parts, "torch._utils", "_rebuild_tensor_v2");
        parts.raw("q").number(1, 1).raw("((");
        pickle_text(parts, "storage");
        parts.raw("q").number(0, 1);
    } else {
        parts.raw("h").number(1, 1).raw("((").raw("h").number(0, 1);
    }
    global(parts, "torch", "FloatStorage");
    pickle_text(parts, std::to_string(index));
    pickle_text(parts, "cpu");
    integer(parts, n);
    parts.raw("tQ");
    integer(parts, 0);
    tuple(parts, weight.shape);
    tuple(parts, strides);
    opcode(parts, "\x89");
    global(parts, "collections", "OrderedDict");
    parts.raw(")RtR");
}

uint32_t crc32(const std::string & data) {
    uint32_t crc = ~uint32_t{0};
    for (const char c : data) {
        crc ^= static_cast<uint8_t>(c);
        for (int k = 0; k < 8; ++k) crc = crc & 1 ? 0xedb88320 ^ (crc >> 1) : crc >> 1;
    }
    return ~crc;
}

Parts deflate_stored(const std::string & data) {
    return Parts().number(1, 1).number(data.size(), 2).number(~data.size() & 0xffff, 2).raw(data);
}

/// One block of the fixed code, literals alone.
Parts deflate_fixed(const std::string & data) {
    std::string bits = "110";  // last, kind 1, low bit first
    const auto put = [&bits](uint32_t code, int n) {
        for (int i = n - 1; i >= 0; --i) bits += code >> i & 1 ? '1' : '0';
    };
    for (const char c : data) {
        const auto byte = static_cast<uint8_t>(c);
        byte < 144 ? put(0x30u + byte, 8) : put(0x190u + byte - 144, 9);
    }
    put(0, 7);
    std::string bytes((bits.size() + 7) / 8, '\0');
    for (size_t i = 0; i < bits.size(); ++i)
        bytes[i / 8] = static_cast<char>(bytes[i / 8] | (bits[i] - '0') << (i % 8));
    return Parts().raw(bytes);
}

}  // namespace

json config() {
    return json::parse(R"({
        "model_type": "altclip", "projection_dim": 8, "logit_scale_init_value": 2.6592, "initializer_factor": 1.0,
        "text_config": {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
            "vocab_size": 20, "max_position_embeddings": 12, "type_vocab_size": 1, "project_dim": 16,
            "hidden_act": "gelu", "layer_norm_eps": 1e-5, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2,
            "position_embedding_type": "absolute", "initializer_range": 0.02},
        "vision_config": {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
            "image_size": 8, "patch_size": [4, 4], "num_channels": 3, "hidden_act": "quick_gelu",
            "layer_norm_eps": 1e-5, "initializer_range": 0.02}})");
}

json preprocessor() {
    return json::parse(R"({"do_resize": true, "size": {"shortest_edge": 8}, "resample": 3, "do_center_crop": true,
        "crop_size": {"height": 8, "width": 8}, "do_rescale": true, "rescale_factor": 0.00392156862745098,
        "do_normalize": true, "image_mean": [0.48, 0.45, 0.4], "image_std": [0.26, 0.26, 0.27],
        "do_convert_rgb": true})");
}

json tokenizer() {
    json vocabulary = json::array();  // pairs in braces would become an object
    for (const char * name : {"<s>", "<pad>", "</s>", "<unk>"}) vocabulary.push_back(json::array({name, 0.0}));
    float score = -1;
    for (const std::string & piece : pieces) vocabulary.push_back(json::array({piece, score -= 0.5f}));
    vocabulary.push_back(json::array({"<mask>", 0.0}));
    json added = json::array();
    for (const char * name : {"<s>", "<pad>", "</s>", "<unk>"}) {
        added.push_back({{"id", added.size()}, {"content", name}, {"special", true}});
    }
    added.push_back({{"id", vocabulary.size() - 1}, {"content", "<mask>"}, {"lstrip", true}});
    const json precompiled = {{"type", "Precompiled"}, {"precompiled_charsmap", base64(charsmap())}};
    const json metaspace = {{"type", "Metaspace"}, {"replacement", space}, {"prepend_scheme", "always"}};
    return {{"version", "1.0"},
            {"added_tokens", added},
            {"normalizer", {{"type", "Sequence"}, {"normalizers", json::array({precompiled})}}},
            {"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", json::array({metaspace})}}},
            {"model", {{"type", "Unigram"}, {"unk_id", 3}, {"vocab", vocabulary}, {"byte_fallback", false}}}};
}

Parts sentencepiece() {
    Parts parts;
    field(parts, 1, piece_message("<unk>", 0, 2));
    field(parts, 1, piece_message("<s>", 0, 3));
    field(parts, 1, piece_message("</s>", 0, 3));
    float score = -1;
    for (const std::string & piece : pieces) field(parts, 1, piece_message(piece, score -= 0.5f, 1));
    Parts trainer;
    trainer.number(3 << 3, 1).number(1, 1).number((35 << 3 & 0x7f) | 0x80 | (35 << 3 >> 7) << 8, 2).number(0, 1);
    field(parts, 2, trainer.join());
    Parts normalizer;
    field(normalizer, 1, "nmt_nfkc");
    field(normalizer, 2, charsmap());
    for (const int number : {3, 4, 5}) normalizer.number(static_cast<uint64_t>(number) << 3, 1).number(1, 1);
    // its own parts, so that mutations reach the fields within; the length before them stays what it is
    const size_t n = normalizer.n_bytes();
    parts.number(3 << 3 | 2, 1).number((n & 0x7f) | 0x80 | n >> 7 << 8, 2).append(normalizer);
    return parts;
}

std::string Safetensors::join() const {
    return support::safetensors(header.dump(), data);
}

Safetensors safetensors() {
    Safetensors file;
    file.header["__metadata__"] = {{"format", "pt"}};
    for (const Weight & weight : weights()) {
        const size_t begin = file.data.size();
        file.data += weight.bytes;
        file.header[weight.name] = {
            {"dtype", "F32"}, {"shape", weight.shape}, {"data_offsets", {begin, file.data.size()}}};
    }
    return file;
}

Parts torch_pickle() {
    Parts parts;
    parts.raw("\x80").number(2, 1).raw("}(");
    size_t index = 0;
    for (const Weight & weight : weights()) {
        pickle_text(parts, weight.name);
        tensor(parts, weight, index++);
    }
    parts.raw("u.");
    return parts;
}

Parts deflated_archive(const Parts & pickle) {
    std::vector<std::pair<std::string, std::string>> entries = {{"x/data.pkl", pickle.join()}};
    for (const Weight & weight : weights())
        entries.emplace_back("x/data/" + std::to_string(entries.size() - 1), weight.bytes);
    Parts file;
    Parts directory;
    uint64_t at = 0;
    for (size_t i = 0; i < entries.size(); ++i) {
        // no structured binding: clang lets no lambda of C++17 capture one
        const auto & name = entries[i].first;
        const auto & data = entries[i].second;
        const Parts deflated = i % 4 == 1 ? deflate_stored(data) : deflate_fixed(data);
        const auto common = [&, n = data.size()](Parts & parts) {
            parts.number(0, 2).number(8, 2).number(0, 4).number(crc32(data), 4);  // flags, deflate, time
            parts.number(deflated.n_bytes(), 4).number(n, 4).number(name.size(), 2).number(0, 2);
        };
        directory.number(0x02014b50, 4).number(0, 4);
        common(directory);
        directory.number(0, 2).number(0, 8).number(at, 4).text(name);
        Parts local;
        local.number(0x04034b50, 4).number(0, 2);
        common(local);
        local.text(name).append(deflated);
        file.append(local);
        at += local.n_bytes();
    }
    const uint64_t n_directory = directory.n_bytes();
    file.append(directory).number(0x06054b50, 4).number(0, 4).number(entries.size(), 2).number(entries.size(), 2);
    file.number(n_directory, 4).number(at, 4).number(0, 2);
    return file;
}

Parts torch_archive(const Parts & pickle, bool long_fields) {
    constexpr uint32_t absent = 0xffffffff;
    std::vector<std::pair<std::string, Parts>> entries = {{"x/data.pkl", pickle}};
    for (const Weight & weight : weights()) {
        entries.emplace_back("x/data/" + std::to_string(entries.size() - 1), Parts().raw(weight.bytes));
    }
    Parts file;
    Parts directory;
    uint64_t at = 0;
    const auto common = [&](Parts & parts, const std::string & name, uint64_t n, int n_extra) {
        parts.number(0, 2).number(0, 2).number(0, 4).number(0, 4);  // flags, method, time, checksum
        parts.number(long_fields ? absent : n, 4).number(long_fields ? absent : n, 4);
        parts.number(name.size(), 2).number(static_cast<uint64_t>(long_fields ? n_extra : 0), 2);
    };
    for (const auto & [name, data] : entries) {
        const uint64_t n = data.n_bytes();
        directory.number(0x02014b50, 4).number(0, 4);
        common(directory, name, n, 28);
        directory.number(0, 2).number(0, 8).number(long_fields ? absent : at, 4).text(name);
        Parts local;
        local.number(0x04034b50, 4).number(0, 2);
        common(local, name, n, 20);
        local.text(name);
        if (long_fields) {
            directory.number(1, 2).number(24, 2).number(n, 8).number(n, 8).number(at, 8);
            local.number(1, 2).number(16, 2).number(n, 8).number(n, 8);
        }
        file.append(local.append(data));
        at += local.n_bytes();
    }
    const uint64_t n_directory = directory.n_bytes();
    file.append(directory);
    if (long_fields) {
        file.number(0x06064b50, 4).number(44, 8).number(0, 4).number(0, 8).number(entries.size(), 8);
        file.number(entries.size(), 8).number(n_directory, 8).number(at, 8);
        file.number(0x07064b50, 4).number(0, 4).number(at + n_directory, 8).number(1, 4);
    }
    const uint64_t n_entries = long_fields ? 0xffff : entries.size();
    file.number(0x06054b50, 4).number(0, 4).number(n_entries, 2).number(n_entries, 2);
    file.number(long_fields ? absent : n_directory, 4).number(long_fields ? absent : at, 4).number(0, 2);
    return file;
}

namespace {

/// Walks a GGUF file that is known to be sound.
class Anatomy {
public:
    explicit Anatomy(const std::string & bytes) : bytes_(bytes) {}

    Parts parts() {
        number(4);  // magic
        number(4);  // version
        const uint64_t n_tensors = number(8);
        const uint64_t n_values = number(8);
        for (uint64_t i = 0; i < n_values; ++i) {
            text();
            value(number(4));
        }
        for (uint64_t i = 0; i < n_tensors; ++i) {
            text();
            for (uint64_t d = number(4); d > 0; --d) number(8);
            number(4);
            number(8);
        }
        constexpr size_t n_piece = 4096;  // so that mutations are spread over the tensors
        while (at_ < bytes_.size()) raw(std::min(n_piece, bytes_.size() - at_));
        return std::move(parts_);
    }

private:
    uint64_t number(int n_bytes) {
        uint64_t value = 0;
        for (int i = 0; i < n_bytes; ++i) value |= uint64_t{static_cast<uint8_t>(bytes_[at_++])} << (8 * i);
        parts_.number(value, n_bytes);
        return value;
    }
    void text() {
        const uint64_t n = number(8);
        parts_.list.back().kind = Part::Kind::length;
        parts_.text(bytes_.substr(at_, n));
        at_ += n;
    }
    void raw(size_t n) {
        parts_.raw(bytes_.substr(at_, n));
        at_ += n;
    }
    void value(uint64_t type) {
        constexpr int n_bytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
        if (type == GGUF_TYPE_ARRAY) {
            const uint64_t element = number(4);
            const uint64_t n = number(8);
            if (element == GGUF_TYPE_UINT8) return raw(n);
            for (uint64_t i = 0; i < n; ++i) value(element);
        } else if (type == GGUF_TYPE_STRING) {
            text();
        } else {
            number(n_bytes[type]);
        }
    }

    const std::string & bytes_;
    size_t at_ = 0;
    Parts parts_;
};

}  // namespace

Parts gguf(const std::string & dtype, bool packed) {
    const support::TemporaryFolder folder;
    support::write_file(folder.file("config.json"), config().dump());
    support::write_file(folder.file("preprocessor_config.json"), preprocessor().dump());
    support::write_file(folder.file("tokenizer.json"), tokenizer().dump());
    support::write_file(folder.file("model.safetensors"), safetensors().join());
    ConvertOptions options;
    options.source = folder.path();
    options.output = folder.file("model.gguf");
    options.dtype = dtype;
    options.packed = packed;
    convert_model(options);
    const std::string bytes = support::read_file(options.output);
    return Anatomy(bytes).parts();
}

}  // namespace fuzz

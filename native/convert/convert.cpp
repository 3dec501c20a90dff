#include "convert/convert.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "convert/checkpoint.h"
#include "convert/config.h"
#include "convert/gguf_metadata.h"
#include "convert/random_weights.h"
#include "convert/stored_type.h"
#include "convert/tensor_map.h"
#include "convert/tensor_writer.h"
#include "error.h"
#include "ggml-cpp.h"
#include "io/atomic_file.h"
#include "kernels/packed_weight.h"
#include "model/file_type.h"
#include "model/names.h"

namespace altclip {

namespace {

namespace fs = std::filesystem;

struct Input {
    ModelConfig config;
    std::unique_ptr<WeightSource> weights;
    std::string folder;  // empty where there is none
    std::string name;
};

/// The folder's name; ORG/NAME for a snapshot in the Hub's cache (models--ORG--NAME/snapshots/COMMIT).
std::string name_of(const std::string & folder) {
    std::error_code ignored;
    const fs::path path = fs::weakly_canonical(fs::u8path(folder), ignored);
    const fs::path repository = path.parent_path().parent_path().filename();
    std::string name = repository.u8string();
    const std::string prefix = "models--";
    if (path.parent_path().filename() != "snapshots" || name.rfind(prefix, 0) != 0) return path.filename().u8string();
    name.erase(0, prefix.size());
    if (const size_t dashes = name.find("--"); dashes != std::string::npos) name.replace(dashes, 2, "/");
    return name;
}

Input open_input(const ConvertOptions & options) {
    Input input;
    if (const auto * random = std::get_if<RandomSource>(&options.source)) {
        input.config = parse_config(random->config, "config");
        if (!input.config.hparams.text || !input.config.hparams.vision) {
            fail(ErrorCode::model_format, "config: model_type is a tower's, expected 'altclip'");
        }
        input.weights = random_weights(input.config, random->seed);
        input.name = "AltCLIP with random weights";
    } else {
        input.folder = std::get<std::string>(options.source);
        std::error_code error;
        if (!fs::is_directory(fs::u8path(input.folder), error)) {
            fail(ErrorCode::io, input.folder, ": no such folder, expected a checkpoint in Hugging Face's layout");
        }
        input.config = read_config(join_path(input.folder, "config.json"));
        input.weights = open_checkpoint(input.folder);
        input.name = name_of(input.folder);
    }
    if (!options.name.empty()) input.name = options.name;
    return input;
}

/// The type most weights have; f64 counts as f32.
const FileType & own_type(const std::vector<TensorSpec> & specs, const std::vector<size_t> & found,
                          const WeightSource & weights) {
    const std::pair<SourceType, const char *> candidates[] = {
        {SourceType::f32, "f32"}, {SourceType::f16, "f16"}, {SourceType::bf16, "bf16"}};
    const char * best = nullptr;
    int64_t n_best = -1;
    for (const auto & [candidate, name] : candidates) {
        int64_t n = 0;
        for (size_t i = 0; i < specs.size(); ++i) {
            const SourceType type = weights.tensors()[found[i]].type;
            if ((type == SourceType::f64 ? SourceType::f32 : type) == candidate && specs[i].is_weight) {
                n += element_count(specs[i].shape).value();
            }
        }
        if (n > n_best) {
            best = name;
            n_best = n;
        }
    }
    return *find_file_type(best);
}

const FileType * named_type(const std::string & name) {
    if (name == "auto") return nullptr;
    const FileType * type = find_file_type(name);
    if (!type) fail(ErrorCode::invalid_argument, "dtype: '", name, "', expected auto, ", file_type_names());
    return type;
}

/// The tensors of a model, those of a tower that is left out marked as not wanted.
std::vector<TensorSpec> tensors_for(const std::string & tower, const Hparams & hparams) {
    std::vector<TensorSpec> specs = model_tensors(hparams);
    if (tower.empty()) return specs;
    const std::string other = std::string(tower == "text" ? tensors::vision : tensors::text) + ".";
    for (TensorSpec & spec : specs) spec.is_wanted = spec.name.compare(0, other.size(), other) != 0;
    return specs;
}

/// Forgets the other tower's tensors; those that are there have been held against the config like all others.
void keep_tower(const std::string & tower, Hparams & hparams, std::vector<TensorSpec> & specs,
                std::vector<size_t> & found) {
    if (tower.empty()) return;
    size_t n_kept = 0;
    for (size_t i = 0; i < specs.size(); ++i) {
        if (!specs[i].is_wanted) continue;
        if (n_kept != i) specs[n_kept] = std::move(specs[i]);
        found[n_kept++] = found[i];
    }
    specs.resize(n_kept);
    found.resize(n_kept);
    if (tower == "text") {
        hparams.vision.reset();
    } else {
        hparams.text.reset();
    }
}

void write_keys(gguf_context * gguf, const Input & input, const FileType & file_type, bool packed) {
    gguf_set_val_str(gguf, keys::architecture, "altclip");
    gguf_set_val_str(gguf, keys::name, input.name.c_str());
    gguf_set_val_u32(gguf, keys::file_type, file_type.number);
    if (ggml_is_quantized(file_type.type)) gguf_set_val_u32(gguf, keys::quantization_version, GGML_QNT_VERSION);
    if (packed) gguf_set_val_u32(gguf, keys::packed_layout, packed_layout);
    write_hparams(gguf, input.config.hparams);
    if (input.folder.empty()) return;
    const std::string preprocessor = "preprocessor_config.json";
    if (input.config.hparams.vision && has_file(input.folder, preprocessor))
        write_preprocessor(gguf, join_path(input.folder, preprocessor));
    if (!input.config.hparams.text) return;
    for (const char * tokenizer : {"tokenizer.json", "sentencepiece.bpe.model"}) {
        if (!has_file(input.folder, tokenizer)) continue;
        const std::string path = join_path(input.folder, tokenizer);
        return write_vocabulary(gguf, read_vocabulary(path), input.config.hparams.text->n_vocab, path);
    }
}

/// Where each tensor will lie, and as what.
std::vector<StoredTensor> stored_tensors(const std::vector<TensorSpec> & specs, const std::vector<size_t> & found,
                                         const FileType & file_type, bool packed) {
    std::vector<StoredTensor> stored;
    for (size_t i = 0; i < specs.size(); ++i) {
        const ggml_type type = stored_type(specs[i], file_type);
        stored.push_back({specs[i], found[i], type, stored_row(specs[i], type), packed && specs[i].is_linear(), 0});
    }
    return stored;
}

void write_tensor_infos(gguf_context * gguf, std::vector<StoredTensor> & stored) {
    const ggml_context_ptr context(ggml_init({stored.size() * ggml_tensor_overhead(), nullptr, true}));
    if (!context) fail(ErrorCode::out_of_memory, "no memory for the tensor table");
    for (StoredTensor & one : stored) {
        std::vector<int64_t> ne = one.spec.ne();
        ne[0] = one.n_row;
        std::string name = one.spec.name;
        if (one.packed) {
            name = tensors::packed(name, one.type);
            ne = {static_cast<int64_t>(PackedWeight::n_bytes(one.type, ne[0], ne[1]))};
            if (ne[0] > INT32_MAX) {
                fail(ErrorCode::unsupported, one.spec.name, ": takes ", ne[0],
                     " bytes packed, expected 2^31 - 1 at most: convert without packing");
            }
        }
        ggml_tensor * tensor = ggml_new_tensor(context.get(), one.packed ? GGML_TYPE_I8 : one.type,
                                               static_cast<int>(ne.size()), ne.data());
        ggml_set_name(tensor, name.c_str());
        gguf_add_tensor(gguf, tensor);
    }
    const size_t n_meta = gguf_get_meta_size(gguf);
    for (size_t i = 0; i < stored.size(); ++i)
        stored[i].offset = n_meta + gguf_get_tensor_offset(gguf, static_cast<int64_t>(i));
}

}  // namespace

void check_tower(const std::string & tower) {
    if (tower.empty() || tower == "text" || tower == "vision") return;
    fail(ErrorCode::invalid_argument, "tower: '", tower, "', expected text or vision");
}

void check_has_tower(const std::string & tower, const Hparams & hparams, const std::string & source) {
    if (tower.empty() || (tower == "text" ? hparams.text.has_value() : hparams.vision.has_value())) return;
    fail(ErrorCode::unsupported, source, ": has no ", tower, " tower");
}

ConvertReport convert_model(const ConvertOptions & options) {
    const FileType * file_type = named_type(options.dtype);
    check_tower(options.tower);
    Input input = open_input(options);
    check_has_tower(options.tower, input.config.hparams, input.folder);
    std::vector<TensorSpec> specs = tensors_for(options.tower, input.config.hparams);
    std::vector<size_t> found = match_tensors(specs, *input.weights);
    keep_tower(options.tower, input.config.hparams, specs, found);
    if (!file_type) file_type = &own_type(specs, found, *input.weights);

    const gguf_context_ptr gguf = options.packed ? aligned_gguf(packed_alignment) : gguf_context_ptr(gguf_init_empty());
    if (!gguf) fail(ErrorCode::out_of_memory, "no memory for the file's keys");
    write_keys(gguf.get(), input, *file_type, options.packed);
    std::vector<StoredTensor> stored = stored_tensors(specs, found, *file_type, options.packed);
    write_tensor_infos(gguf.get(), stored);
    const auto n_tensors = static_cast<int64_t>(specs.size());
    uint64_t n_total = 0;
    for (int64_t i = 0; i < n_tensors; ++i) n_total += gguf_get_tensor_size(gguf.get(), i);

    options.abort.throw_if_aborted();
    AtomicFile file(options.output);
    std::vector<uint8_t> meta(gguf_get_meta_size(gguf.get()));
    gguf_get_meta_data(gguf.get(), meta.data());
    file.write(meta.data(), meta.size());
    const std::function<void(uint64_t)> on_progress = [&](uint64_t done) {
        if (options.on_progress) options.on_progress(done, n_total);
    };
    write_tensors(stored, *input.weights, file, static_cast<size_t>(std::max(options.n_threads, 1)), options.abort,
                  on_progress);
    file.write_zeros(GGML_PAD(file.position(), gguf_get_alignment(gguf.get())) - file.position());
    options.abort.throw_if_aborted();
    const uint64_t n_bytes = file.position();
    file.commit();
    return {file_type->name, specs.size(), n_bytes};
}

}  // namespace altclip

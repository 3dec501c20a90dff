#include "convert/convert.h"

#include <array>
#include <filesystem>
#include <memory>
#include <vector>

#include "convert/checkpoint.h"
#include "convert/config.h"
#include "convert/gguf_metadata.h"
#include "convert/random_weights.h"
#include "convert/tensor_map.h"
#include "convert/tensor_writer.h"
#include "error.h"
#include "ggml-cpp.h"
#include "io/atomic_file.h"
#include "model/names.h"

namespace altclip {

namespace {

namespace fs = std::filesystem;

struct FileType {
    const char * name;
    ggml_type type;
    SourceType source;
    uint32_t number;  // llama.cpp's llama_ftype
};

constexpr FileType file_types[] = {
    {"f32", GGML_TYPE_F32, SourceType::f32, 0},
    {"f16", GGML_TYPE_F16, SourceType::f16, 1},
    {"bf16", GGML_TYPE_BF16, SourceType::bf16, 32},
    {"q8_0", GGML_TYPE_Q8_0, SourceType::other, 7},
};

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
    const FileType * best = nullptr;
    int64_t n_best = 0;
    for (const FileType & candidate : file_types) {
        int64_t n = 0;
        for (size_t i = 0; i < specs.size(); ++i) {
            const SourceType type = weights.tensors()[found[i]].type;
            if ((type == SourceType::f64 ? SourceType::f32 : type) == candidate.source && specs[i].is_weight) {
                n += element_count(specs[i].shape).value();
            }
        }
        if (!best || n > n_best) {
            best = &candidate;
            n_best = n;
        }
    }
    return *best;
}

const FileType & named_type(const std::string & name) {
    for (const FileType & one : file_types) {
        if (name == one.name) return one;
    }
    fail(ErrorCode::invalid_argument, "dtype: '", name, "', expected auto, f32, f16, bf16 or q8_0");
}

ggml_type type_of(const TensorSpec & spec, ggml_type wanted) {
    if (!spec.is_weight) return GGML_TYPE_F32;
    return spec.ne()[0] % ggml_blck_size(wanted) == 0 ? wanted : GGML_TYPE_F16;
}

void write_keys(gguf_context * gguf, const Input & input, const FileType & file_type) {
    gguf_set_val_str(gguf, keys::architecture, "altclip");
    gguf_set_val_str(gguf, keys::name, input.name.c_str());
    gguf_set_val_u32(gguf, keys::file_type, file_type.number);
    if (ggml_is_quantized(file_type.type)) gguf_set_val_u32(gguf, keys::quantization_version, GGML_QNT_VERSION);
    write_hparams(gguf, input.config.hparams);
    if (input.folder.empty()) return;
    const std::string preprocessor = "preprocessor_config.json";
    if (has_file(input.folder, preprocessor)) write_preprocessor(gguf, join_path(input.folder, preprocessor));
    for (const char * tokenizer : {"tokenizer.json", "sentencepiece.bpe.model"}) {
        if (!has_file(input.folder, tokenizer)) continue;
        const std::string path = join_path(input.folder, tokenizer);
        return write_vocabulary(gguf, read_vocabulary(path), input.config.hparams.text->n_vocab, path);
    }
}

void write_tensor_infos(gguf_context * gguf, const std::vector<TensorSpec> & specs, ggml_type type) {
    const ggml_context_ptr context(ggml_init({specs.size() * ggml_tensor_overhead(), nullptr, true}));
    if (!context) fail(ErrorCode::out_of_memory, "no memory for the tensor table");
    for (const TensorSpec & spec : specs) {
        const std::vector<int64_t> ne = spec.ne();
        ggml_tensor * tensor =
            ggml_new_tensor(context.get(), type_of(spec, type), static_cast<int>(ne.size()), ne.data());
        ggml_set_name(tensor, spec.name.c_str());
        gguf_add_tensor(gguf, tensor);
    }
}

}  // namespace

ConvertReport convert_model(const ConvertOptions & options) {
    const FileType * file_type = options.dtype == "auto" ? nullptr : &named_type(options.dtype);
    const Input input = open_input(options);
    const std::vector<TensorSpec> specs = model_tensors(input.config.hparams);
    const std::vector<size_t> found = match_tensors(specs, *input.weights);
    if (!file_type) file_type = &own_type(specs, found, *input.weights);

    const gguf_context_ptr gguf(gguf_init_empty());
    write_keys(gguf.get(), input, *file_type);
    write_tensor_infos(gguf.get(), specs, file_type->type);
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
    TensorWriter writer(*input.weights, file, options.abort, on_progress);
    const size_t alignment = gguf_get_alignment(gguf.get());
    for (int64_t i = 0; i < n_tensors; ++i) {
        const auto index = static_cast<size_t>(i);
        if (file.position() != meta.size() + gguf_get_tensor_offset(gguf.get(), i)) {
            fail(ErrorCode::internal, specs[index].name, ": not where the header says");
        }
        writer.write(specs[index], found[index], gguf_get_tensor_type(gguf.get(), i));
        file.write_zeros(GGML_PAD(file.position(), alignment) - file.position());
    }
    options.abort.throw_if_aborted();
    const uint64_t n_bytes = file.position();
    file.commit();
    return {file_type->name, specs.size(), n_bytes};
}

}  // namespace altclip

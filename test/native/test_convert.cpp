// Whole conversions: the golden folders, the dtypes, random weights, and folders that are wrong in one place.
#include "convert/convert.h"

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <random>
#include <vector>

#include "check.h"
#include "convert/config.h"
#include "convert/copy_model.h"
#include "convert/quantizer.h"
#include "convert/stored_type.h"
#include "convert/tensor_map.h"
#include "model/file_type.h"
#include "model/gguf_file.h"
#include "model/model.h"
#include "model/names.h"
#include "test_convert_support.h"

using namespace altclip;
using support::TemporaryFolder;

namespace {

ConvertReport convert(const std::string & folder, const std::string & output, const std::string & dtype = "auto") {
    ConvertOptions options;
    options.source = folder;
    options.output = output;
    options.dtype = dtype;
    return convert_model(options);
}

std::string bytes_of(const GgufTensor & tensor) {
    return std::string(reinterpret_cast<const char *>(tensor.data), tensor.n_bytes);
}

bool same_tensors(const GgufFile & a, const GgufFile & b) {
    if (a.tensors().size() != b.tensors().size()) return false;
    for (const GgufTensor & tensor : a.tensors()) {
        const GgufTensor * other = b.find(tensor.name);
        if (!other || other->type != tensor.type || bytes_of(*other) != bytes_of(tensor)) return false;
    }
    return true;
}

/// A copy of the tiny checkpoint whose header and config a test may change.
class Checkpoint {
public:
    Checkpoint() {
        support::copy_folder(support::fixture("models/tiny"), folder());
        const std::string bytes = support::read_file(weights());
        uint64_t n_header = 0;
        std::memcpy(&n_header, bytes.data(), sizeof(n_header));
        header = nlohmann::json::parse(bytes.substr(8, n_header));
        data_ = bytes.substr(8 + n_header);
        config = nlohmann::json::parse(support::read_file(folder() + "/config.json"));
    }

    std::string folder() const { return temporary_.file("checkpoint"); }
    std::string weights() const { return folder() + "/model.safetensors"; }

    /// Converts the changed copy; whatever happens, no half-written file may stay.
    void convert_changed() {
        support::write_file(weights(), support::safetensors(header.dump(), data_));
        support::write_file(folder() + "/config.json", config.dump());
        try {
            convert(folder(), temporary_.file("out.gguf"));
        } catch (...) {
            CHECK(temporary_.n_files() == 1);
            throw;
        }
    }

    nlohmann::json header;
    nlohmann::json config;

private:
    TemporaryFolder temporary_;
    std::string data_;
};

}  // namespace

TEST("every golden folder converts in its own type") {
    const TemporaryFolder folder;
    const std::vector<std::pair<std::string, std::string>> expected = {
        {"tiny", "f32"},       {"tiny-legacy-bin", "f32"}, {"tiny-sharded", "f32"}, {"tiny-f16", "f16"},
        {"tiny-bf16", "bf16"}, {"tiny-gelu-h80", "f16"},   {"tiny-e2e", "f32"},     {"tiny-e2e-spm", "f32"}};
    for (const auto & [name, dtype] : expected) {
        const std::string output = folder.file(name + ".gguf");
        const ConvertReport report = convert(support::fixture("models/" + name), output);
        const GgufFile file(output);
        CHECK(report.dtype == dtype);
        CHECK(report.n_bytes == file.size());
        CHECK(report.n_tensors == file.tensors().size());
        CHECK(file.string(keys::name) == name);
        CHECK(file.has(keys::tokenizer_tokens) == (name.find("e2e") != std::string::npos));
        CHECK(file.f64s(keys::image_mean).at(2) == 0.40821073);
        read_hparams(file);
    }
    const GgufFile tiny(folder.file("tiny.gguf"));
    CHECK(same_tensors(tiny, GgufFile(folder.file("tiny-legacy-bin.gguf"))));
    CHECK(same_tensors(tiny, GgufFile(folder.file("tiny-sharded.gguf"))));
    CHECK(same_tensors(GgufFile(folder.file("tiny-e2e.gguf")), GgufFile(folder.file("tiny-e2e-spm.gguf"))));
    CHECK(tiny.find("t.blk.1.ffn_down.weight")->ne[0] == 128);
    CHECK(tiny.find("v.patch_embd.weight")->ne[0] == 192);
    CHECK(!tiny.find("v.patch_embd.bias"));
}

TEST("every dtype holds what ggml's own quantiser makes of a whole tensor") {
    const TemporaryFolder folder;
    const std::string source = support::fixture("models/tiny-e2e");  // patches of 588 values
    convert(source, folder.file("f32.gguf"), "f32");
    const GgufFile whole(folder.file("f32.gguf"));
    for (const FileType & dtype : file_types()) {
        convert(source, folder.file("q.gguf"), dtype.name);
        const GgufFile file(folder.file("q.gguf"));
        CHECK(file_dtype(file) == dtype.name);
        for (const GgufTensor & tensor : file.tensors()) {
            const GgufTensor & from = *whole.find(tensor.name);
            const int64_t n_from = from.ne[0], n_to = tensor.ne[0], n_rows = tensor.ne[1];
            CHECK(n_to == n_from || (tensor.name == "v.patch_embd.weight" && n_to == padded_row(588, tensor.type)));
            std::vector<float> values(static_cast<size_t>(n_to * n_rows));
            for (int64_t row = 0; row < n_rows; ++row) {
                std::memcpy(values.data() + row * n_to, from.data + static_cast<size_t>(row * n_from) * sizeof(float),
                            static_cast<size_t>(n_from) * sizeof(float));
            }
            std::string expected(tensor.n_bytes, '\0');
            ggml_quantize_chunk(tensor.type, values.data(), expected.data(), 0, n_rows, n_to, nullptr);
            CHECK(bytes_of(tensor) == expected);
        }
        LoadOptions options;
        CHECK(load_model(folder.file("q.gguf"), options).dtype == dtype.name);
    }
}

TEST("q8_0 is ggml's at every scale, halves between two integers included") {
    constexpr int64_t n = 32;
    std::mt19937_64 random(5);
    const auto uniform = [&] { return static_cast<float>(random() >> 40) * 0x1p-24f; };
    for (int round = 0; round < 200000; ++round) {
        float values[n];
        const float scale = std::ldexp(1.0f + uniform(), static_cast<int>(random() % 150) - 149);
        // k + 1/2 steps of the scale that 127 steps give, one float more or less; else anything
        for (float & value : values) {
            const auto steps = static_cast<float>(static_cast<int>(random() % 254) - 127);
            value = round % 2 == 0 ? scale * (2 * uniform() - 1) : scale * (steps + 0.5f);
            if (round % 4 == 3) value = std::nextafter(value, random() % 2 == 0 ? -INFINITY : INFINITY);
        }
        if (round % 2 == 1) values[random() % n] = scale * 127;
        if (round % 1000 == 0) std::fill(values, values + n, round % 2000 == 0 ? 0.0f : -0.0f);
        std::string ours(34, '\0'), expected(34, '\1');
        quantize_rows(GGML_TYPE_Q8_0, values, 1, n, reinterpret_cast<uint8_t *>(ours.data()));
        ggml_quantize_chunk(GGML_TYPE_Q8_0, values, expected.data(), 0, 1, n, nullptr);
        CHECK(ours == expected);
    }
}

TEST("a mix keeps its finer type for what rounding hurts most") {
    const TensorSpec inner{"v.blk.1.attn_q.weight", "", {256, 256}, true, false};
    const TensorSpec sensitive{"v.blk.1.attn_v.weight", "", {256, 256}, true, true};
    const TensorSpec narrow{"v.blk.1.attn_q.weight", "", {256, 96}, true, false};
    const TensorSpec odd{"v.blk.1.attn_q.weight", "", {256, 80}, true, false};
    const FileType & mix = *find_file_type("q4_k_m");
    CHECK(stored_type(inner, mix) == GGML_TYPE_Q4_K && stored_type(sensitive, mix) == GGML_TYPE_Q6_K);
    CHECK(stored_type(narrow, mix) == GGML_TYPE_Q8_0 && stored_type(odd, mix) == GGML_TYPE_F16);
    const TensorSpec patches{"v.patch_embd.weight", "", {1280, 3, 14, 14}, true, true};
    CHECK(stored_row(patches, GGML_TYPE_Q8_0) == 608 && stored_row(patches, GGML_TYPE_Q6_K) == 768);
    const std::vector<TensorSpec> all = model_tensors(read_config(support::fixture("models/tiny/config.json")).hparams);
    for (const TensorSpec & spec : all) {
        const auto has = [&](const char * part) { return spec.name.find(part) != std::string::npos; };
        const bool expected = has(".attn_v.") || has(".attn_out.") || has(".ffn_down.") || has("patch_embd") ||
                              has("transform") || has("projection");
        CHECK(spec.is_sensitive == (expected && spec.is_weight));
    }
}

TEST("one tower alone") {
    const TemporaryFolder folder;
    ConvertOptions options;
    options.source = support::fixture("models/tiny-e2e");
    const auto convert_tower = [&](const char * tower) {
        options.tower = tower;
        options.output = folder.file(tower);
        convert_model(options);
        return GgufFile(options.output);
    };
    const auto load = [&](const char * file, bool text, bool vision) {
        LoadOptions load_options;
        load_options.text = text;
        load_options.vision = vision;
        return load_model(folder.file(file), load_options);
    };
    const GgufFile text = convert_tower("text");
    CHECK(text.find("t.projection.weight") && text.find(tensors::logit_scale) && text.has(keys::tokenizer_tokens));
    CHECK(!text.find("v.projection.weight") && !text.has(keys::image_mean));
    load("text", true, false);
    const Model asked_for_both = load("text", true, true);
    CHECK(asked_for_both.text && !asked_for_both.vision && !asked_for_both.hparams.vision);
    CHECK_ERROR(invalid_argument, "no vision tower: it was written for the other one alone", load("text", false, true));
    const GgufFile vision = convert_tower("vision");
    CHECK(vision.find("v.projection.weight") && vision.has(keys::image_mean));
    CHECK(!vision.find("t.projection.weight") && !vision.has(keys::tokenizer_tokens));
    load("vision", false, true);
    CHECK_ERROR(invalid_argument, "tower: 'both', expected text or vision", convert_tower("both"));
}

TEST("a copy is what was converted, whole or one tower of it; an abort leaves nothing") {
    const TemporaryFolder folder;
    ConvertOptions options;
    options.source = support::fixture("models/tiny-e2e");
    options.dtype = "q4_k_m";
    CopyOptions copy;
    copy.source = folder.file("whole.gguf");
    copy.output = folder.file("copy.gguf");
    for (const char * tower : {"", "text", "vision"}) {
        options.output = folder.file("whole.gguf");
        options.tower = "";
        convert_model(options);
        options.output = folder.file("tower.gguf");
        options.tower = copy.tower = tower;
        convert_model(options);
        copy_model(copy);
        CHECK(support::read_file(copy.output) == support::read_file(options.output));
    }
    copy.source = folder.file("tower.gguf");
    copy.tower = "text";
    CHECK_ERROR(unsupported, "tower.gguf: has no text tower", copy_model(copy));
    copy.tower = "audio";
    CHECK_ERROR(invalid_argument, "tower: 'audio'", copy_model(copy));
    copy.tower = "";
    copy.source = folder.file("none.gguf");
    CHECK_ERROR(io, "none.gguf", copy_model(copy));
    copy.source = folder.file("whole.gguf");
    copy.output = folder.file("aborted.gguf");
    copy.abort.abort();
    const size_t n_files = folder.n_files();
    CHECK_ERROR(aborted, "", copy_model(copy));
    CHECK(folder.n_files() == n_files);
}

TEST("names behind the prefix of a wrapper are understood") {
    const Hparams hparams = read_config(support::fixture("models/tiny/config.json")).hparams;
    const std::vector<TensorSpec> specs = model_tensors(hparams);
    class Wrapped : public WeightSource {
    public:
        explicit Wrapped(const std::vector<TensorSpec> & specs) {
            for (const TensorSpec & spec : specs) {
                tensors_.push_back({"module.model." + spec.source_name, SourceType::f32, "F32", spec.shape});
            }
            const std::string buffer = "module.model.text_model.roberta.embeddings.position_ids";
            tensors_.push_back({buffer, SourceType::other, "I64", {1, 514}});
        }
        const std::vector<SourceTensor> & tensors() const override { return tensors_; }
        void read(size_t, int64_t, int64_t, float *) const override {}
        const std::string & file_of(size_t) const override { return tensors_[0].name; }

    private:
        std::vector<SourceTensor> tensors_;
    };
    const std::vector<size_t> found = match_tensors(specs, Wrapped(specs));
    for (size_t i = 0; i < found.size(); ++i) CHECK(found[i] == i);
}

TEST("weights carry the dtype, the rest stays f32; rows that are no whole blocks become f16") {
    const TemporaryFolder folder;
    convert(support::fixture("models/tiny-gelu-h80"), folder.file("q.gguf"), "q8_0");
    const GgufFile file(folder.file("q.gguf"));
    CHECK(file.u32(keys::file_type) == 7);
    CHECK(file.find("v.blk.0.attn_q.weight")->type == GGML_TYPE_Q8_0);
    CHECK(file.find("v.blk.0.attn_q.bias")->type == GGML_TYPE_F32);
    CHECK(file.find("t.token_embd.weight")->type == GGML_TYPE_F16);  // rows of 80
    CHECK(file.find("t.position_embd.weight")->type == GGML_TYPE_F32);
    CHECK(file.find("v.class_embd")->type == GGML_TYPE_F32);
    CHECK(file.find(tensors::logit_scale)->type == GGML_TYPE_F32);
}

TEST("the same input gives the same bytes") {
    const TemporaryFolder folder;
    for (const char * name : {"a", "b"}) convert(support::fixture("models/tiny"), folder.file(name), "q8_0");
    CHECK(support::read_file(folder.file("a")) == support::read_file(folder.file("b")));
}

TEST("progress ends at the total; an abort in the middle leaves nothing") {
    const TemporaryFolder folder;
    ConvertOptions options;
    options.source = support::fixture("models/tiny");
    options.output = folder.file("out.gguf");
    uint64_t last = 0;
    uint64_t all = 0;
    options.on_progress = [&](uint64_t done, uint64_t total) {
        CHECK(done > last && done <= total);
        last = done;
        all = total;
    };
    convert_model(options);
    CHECK(last == all && all > 0);

    options.output = folder.file("aborted.gguf");
    options.on_progress = [&](uint64_t done, uint64_t total) {
        if (done > total / 2) options.abort.abort();
    };
    CHECK_ERROR(aborted, "aborted", convert_model(options));
    CHECK(folder.n_files() == 1);
}

TEST("tensors that are wrong are named") {
    const auto with = [](auto change) {
        Checkpoint checkpoint;
        change(checkpoint);
        checkpoint.convert_changed();
    };
    const auto rename = [](Checkpoint & c, const char * from, const char * to) {
        c.header[to] = c.header[from];
        c.header.erase(from);
    };
    with([](Checkpoint &) {});
    CHECK_ERROR(model_format, "the tensor 'lm_head.weight' does not belong",
                with([&](Checkpoint & c) { rename(c, "text_model.pre_LN.bias", "lm_head.weight"); }));
    CHECK_ERROR(model_format, "'text_model.pre_LN.bias' of shape [64] is missing", with([&](Checkpoint & c) {
                    rename(c, "text_model.pre_LN.bias", "vision_model.embeddings.position_ids");
                }));
    CHECK_ERROR(model_format, "is there twice", with([&](Checkpoint & c) {
                    rename(c, "vision_model.encoder.layer.1.layer_norm1.bias",
                           "vision_model.encoder.layers.0.layer_norm1.bias");
                }));
    CHECK_ERROR(model_format, "'text_model.transformation.weight' has shape [64, 48], expected [48, 64]",
                with([](Checkpoint & c) {
                    c.header["text_model.transformation.weight"]["shape"] = {64, 48};
                }));
    CHECK_ERROR(model_format, "'text_model.pre_LN.bias' is of type I32",
                with([](Checkpoint & c) { c.header["text_model.pre_LN.bias"]["dtype"] = "I32"; }));
    CHECK_ERROR(model_format, "vision_model.encoder.layer.3",
                with([](Checkpoint & c) { c.config["vision_config"]["num_hidden_layers"] = 4; }));
}

TEST("configs that are wrong name the key") {
    const auto with = [](auto change) {
        Checkpoint checkpoint;
        change(checkpoint.config);
        checkpoint.convert_changed();
    };
    using Json = nlohmann::json;
    CHECK_ERROR(model_format, "model_type is 'clip'", with([](Json & c) { c["model_type"] = "clip"; }));
    CHECK_ERROR(model_format, "text_config.hidden_size is \"64\"",
                with([](Json & c) { c["text_config"]["hidden_size"] = "64"; }));
    CHECK_ERROR(model_format, "text_config.hidden_size is 1e+30",
                with([](Json & c) { c["text_config"]["hidden_size"] = 1e30; }));
    CHECK_ERROR(model_format, "num_attention_heads",
                with([](Json & c) { c["vision_config"]["num_attention_heads"] = 5; }));
    CHECK_ERROR(model_format, "text_config is an array", with([](Json & c) { c["text_config"] = Json::array(); }));
    CHECK_ERROR(unsupported, "hidden_act", with([](Json & c) { c["text_config"]["hidden_act"] = "mish"; }));
    CHECK_ERROR(unsupported, "position_embedding_type",
                with([](Json & c) { c["text_config"]["position_embedding_type"] = "relative_key"; }));
}

TEST("folders, dtypes and targets that are wrong") {
    const TemporaryFolder folder;
    const std::string tiny = support::fixture("models/tiny");
    CHECK_ERROR(io, "no such folder", convert(folder.file("missing"), folder.file("out")));
    CHECK_ERROR(io, "config.json: cannot be read", convert(folder.path(), folder.file("out")));
    CHECK_ERROR(invalid_argument, "expected auto, f32, f16, bf16, q8_0, q6_k, q5_k_m, q5_k, q4_k_m, q4_k, q4_0",
                convert(tiny, folder.file("out"), "q3"));
    CHECK_ERROR(io, "cannot be written", convert(tiny, folder.file("no/out.gguf")));
    CHECK_ERROR(io, "it is a folder", convert(tiny, folder.path()));
    CHECK(folder.n_files() == 0);
}

TEST("values that a type cannot hold are named") {
    Checkpoint checkpoint;
    checkpoint.header.clear();
    std::string data;
    for (const TensorSpec & spec : model_tensors(read_config(checkpoint.folder() + "/config.json").hparams)) {
        std::vector<float> values(static_cast<size_t>(element_count(spec.shape).value()), 1.0f);
        if (spec.source_name == "visual_projection.weight") values[5] = 1e6f;
        const size_t begin = data.size();
        data += support::floats(values);
        checkpoint.header[spec.source_name] = {
            {"dtype", "F32"}, {"shape", spec.shape}, {"data_offsets", {begin, data.size()}}};
    }
    support::write_file(checkpoint.weights(), support::safetensors(checkpoint.header.dump(), data));
    const TemporaryFolder folder;
    convert(checkpoint.folder(), folder.file("a"), "f32");
    convert(checkpoint.folder(), folder.file("b"), "bf16");
    CHECK_ERROR(model_format, "'visual_projection.weight' has the value 1e+06 at element 5",
                convert(checkpoint.folder(), folder.file("c"), "f16"));
    CHECK(folder.n_files() == 2);
}

TEST("preprocessor_config.json in its old and new shapes") {
    const TemporaryFolder folder;
    const auto convert_with = [&](const std::string & json) {
        support::fs::remove_all(folder.file("m"));
        support::copy_folder(support::fixture("models/tiny"), folder.file("m"));
        support::write_file(folder.file("m/preprocessor_config.json"), json);
        convert(folder.file("m"), folder.file("out.gguf"));
        return GgufFile(folder.file("out.gguf"));
    };
    const GgufFile old = convert_with(R"({"size": 224, "crop_size": 200, "resample": 3})");
    CHECK(old.u32(keys::image_size_shortest_edge) == 224);
    CHECK(old.u32(keys::image_crop_height) == 200 && old.u32(keys::image_crop_width) == 200);
    CHECK(!old.has(keys::image_do_resize));
    const GgufFile exact = convert_with(R"({"size": {"height": 30, "width": 40}, "do_resize": false})");
    CHECK(exact.u32(keys::image_size_width) == 40 && !exact.has(keys::image_size_shortest_edge));
    CHECK(!exact.boolean(keys::image_do_resize));
    CHECK_ERROR(model_format, "size is an object", convert_with(R"({"size": {"longest_edge": 3}})"));
    CHECK_ERROR(model_format, "crop_size.height is -1", convert_with(R"({"crop_size": {"height": -1, "width": 1}})"));
    CHECK_ERROR(model_format, "resample is 9", convert_with(R"({"resample": 9})"));
    CHECK_ERROR(model_format, "image_mean is an array", convert_with(R"({"image_mean": [0.5]})"));
}

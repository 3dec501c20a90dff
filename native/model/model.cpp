#include "model/model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <initializer_list>
#include <utility>

#include "error.h"
#include "ggml-cpu.h"
#include "kernels/packed_weight.h"
#include "model/file_type.h"
#include "model/names.h"

namespace altclip {

namespace {

using Shape = std::initializer_list<int64_t>;  // ggml's order

std::string shape_text(const int64_t * ne, size_t n) {
    std::string text;
    for (size_t i = n; i-- > 0;) text += (text.empty() ? "[" : ", ") + std::to_string(ne[i]);
    return text + "]";
}

/// Finds the file's tensors by name, holds type and shape against what the hyper-parameters say, and makes ggml
/// tensors: weights point into the mapping, all others get their values from copy_values().
class WeightReader {
public:
    WeightReader(const GgufFile & file, const LoadOptions & options, Model & model)
        : file_(file), options_(options), model_(model), n_total_(file.tensors().size()) {}

    ggml_tensor * weight(const std::string & name, Shape shape) { return tensor(tensors::weight(name), shape, true); }
    ggml_tensor * f32(const std::string & name, Shape shape) { return tensor(name, shape, false); }

    /// Norms, biases, positions: each call reads them all, and they lie between the weights, so that left in the
    /// mapping they would keep the pages around them in memory, up to 2 MB at a time.
    void copy_values() {
        model_.values.reset(
            ggml_backend_alloc_ctx_tensors_from_buft(model_.context.get(), ggml_backend_cpu_buffer_type()));
        if (!model_.values) fail(ErrorCode::out_of_memory, file_.path(), ": no memory for norms and biases");
        for (const auto & [tensor, found] : copied_) std::memcpy(tensor->data, found->data, found->n_bytes);
    }

    Linear linear(const std::string & name, int64_t n_in, int64_t n_out, bool with_bias = true) {
        return {model_.packed ? packed(name, n_in, n_out) : weight(name, {n_in, n_out}),
                with_bias ? f32(tensors::bias(name), {n_out}) : nullptr};
    }
    /// The patch convolution as a matrix: rows of `n_in` values and as many zeros as the file's type needs.
    Linear patches(const std::string & name, int64_t n_in, int64_t n_out) {
        const GgufTensor * found = file_.find(tensors::weight(name));
        const ggml_type type = model_.packed ? packed_type(name) : found ? found->type : GGML_TYPE_F32;
        return linear(name, padded_row(n_in, type), n_out, false);
    }
    Norm norm(const std::string & name, int64_t n) {
        return {f32(tensors::weight(name), {n}), f32(tensors::bias(name), {n})};
    }
    std::vector<BlockWeights> blocks(const char * tower, const EncoderHparams & p) {
        std::vector<BlockWeights> all(static_cast<size_t>(p.n_layer));
        for (int i = 0; i < p.n_layer; ++i) {
            const auto name = [&](const char * part) { return tensors::block(tower, i, part); };
            BlockWeights & block = all[static_cast<size_t>(i)];
            block.ln1 = norm(name(tensors::ln1), p.n_embd);
            block.ln2 = norm(name(tensors::ln2), p.n_embd);
            block.q = linear(name(tensors::attn_q), p.n_embd, p.n_embd);
            block.k = linear(name(tensors::attn_k), p.n_embd, p.n_embd);
            block.v = linear(name(tensors::attn_v), p.n_embd, p.n_embd);
            block.out = linear(name(tensors::attn_out), p.n_embd, p.n_embd);
            block.up = linear(name(tensors::ffn_up), p.n_embd, p.n_ff);
            block.down = linear(name(tensors::ffn_down), p.n_ff, p.n_embd);
        }
        return all;
    }

private:
    /// What a weight was packed from.
    ggml_type packed_type(const std::string & name) const {
        for (const FileType & one : file_types()) {
            if (file_.find(tensors::packed(tensors::weight(name), one.type))) return one.type;
        }
        fail(ErrorCode::model_format, file_.path(), ": the tensor '", tensors::weight(name),
             "' is missing, packed from any type");
    }

    ggml_tensor * packed(const std::string & name, int64_t n_in, int64_t n_out) {
        options_.abort.throw_if_aborted();
        const ggml_type type = packed_type(name);
        const GgufTensor & found = *file_.find(tensors::packed(tensors::weight(name), type));
        if (n_in % ggml_blck_size(type) != 0) {
            fail(ErrorCode::model_format, file_.path(), ": the tensor '", found.name, "' has rows of ", n_in,
                 " values, not a multiple of ", ggml_blck_size(type));
        }
        const size_t n_bytes = PackedWeight::n_bytes(type, n_in, n_out);
        const bool aligned = reinterpret_cast<uintptr_t>(found.data) % packed_alignment == 0;
        if (found.type != GGML_TYPE_I8 || found.n_bytes != n_bytes || !aligned) {
            fail(ErrorCode::model_format, file_.path(), ": the tensor '", found.name, "' is ", found.n_bytes,
                 " bytes as ", ggml_type_name(found.type), aligned ? "" : ", unaligned", "; expected ", n_bytes,
                 " as i8 at a multiple of ", packed_alignment);
        }
        return made(name, found, type, {n_in, n_out}, true);
    }

    ggml_tensor * tensor(const std::string & name, Shape shape, bool is_weight) {
        options_.abort.throw_if_aborted();
        const GgufTensor * found = file_.find(name);
        if (!found) fail(ErrorCode::model_format, file_.path(), ": the tensor '", name, "' is missing");
        std::array<int64_t, GGML_MAX_DIMS> ne{1, 1, 1, 1};  // ggml does not write trailing dimensions of 1
        std::copy(shape.begin(), shape.end(), ne.begin());
        if (found->ne != ne) {
            fail(ErrorCode::model_format, file_.path(), ": the tensor '", name, "' has shape ",
                 shape_text(found->ne.data(), static_cast<size_t>(found->n_dims)), ", expected ",
                 shape_text(shape.begin(), shape.size()));
        }
        if (is_weight ? !is_weight_type(found->type) : found->type != GGML_TYPE_F32) {
            fail(ErrorCode::model_format, file_.path(), ": the tensor '", name, "' is of type ",
                 ggml_type_name(found->type), ", expected ",
                 is_weight ? "f32, f16, bf16, q8_0, q6_K, q5_K, q4_K or q4_0" : "f32");
        }
        return made(name, *found, found->type, shape, is_weight);
    }

    ggml_tensor * made(const std::string & name, const GgufTensor & found, ggml_type type, Shape shape, bool mapped) {
        ggml_tensor * tensor =
            ggml_new_tensor(model_.context.get(), type, static_cast<int>(shape.size()), shape.begin());
        ggml_set_name(tensor, name.c_str());
        if (mapped) {
            ggml_backend_tensor_alloc(model_.buffer.get(), tensor, const_cast<uint8_t *>(found.data));
        } else {
            copied_.emplace_back(tensor, &found);
        }
        model_.n_bytes += found.n_bytes;
        if (options_.on_progress) options_.on_progress(static_cast<float>(++n_done_) / static_cast<float>(n_total_));
        return tensor;
    }

    const GgufFile & file_;
    const LoadOptions & options_;
    Model & model_;
    size_t n_total_;
    size_t n_done_ = 0;
    std::vector<std::pair<ggml_tensor *, const GgufTensor *>> copied_;
};

TextWeights read_text(WeightReader & reader, const TextHparams & p, int64_t projection_dim) {
    TextWeights w;
    w.token_embd = reader.weight(tensors::text_token_embd, {p.n_embd, p.n_vocab});
    w.token_types = reader.f32(tensors::weight(tensors::text_token_types), {p.n_embd, p.n_token_types});
    w.position_embd = reader.f32(tensors::weight(tensors::text_position_embd), {p.n_embd, p.n_positions});
    w.embd_norm = reader.norm(tensors::text_embd_norm, p.n_embd);
    w.blocks = reader.blocks(tensors::text, p);
    w.post_ln = reader.norm(tensors::text_post_ln, p.n_embd);
    w.transform = reader.linear(tensors::text_transform, p.n_embd, p.n_project);
    if (projection_dim > 0) w.projection = reader.linear(tensors::text_projection, p.n_project, projection_dim, false);
    return w;
}

VisionWeights read_vision(WeightReader & reader, const VisionHparams & p, int64_t projection_dim) {
    VisionWeights w;
    w.class_embd = reader.f32(tensors::vision_class_embd, {p.n_embd});
    w.patch_embd = reader.patches(tensors::vision_patch_embd, p.n_patch_values(), p.n_embd);
    w.position_embd = reader.f32(tensors::weight(tensors::vision_position_embd), {p.n_embd, p.n_positions()});
    w.pre_ln = reader.norm(tensors::vision_pre_ln, p.n_embd);
    w.blocks = reader.blocks(tensors::vision, p);
    w.post_ln = reader.norm(tensors::vision_post_ln, p.n_embd);
    if (projection_dim > 0) w.projection = reader.linear(tensors::vision_projection, p.n_embd, projection_dim, false);
    return w;
}

}  // namespace

std::string file_dtype(const GgufFile & file) {
    const FileType * type = find_file_type(file.u32(keys::file_type));
    return type ? type->name : "unknown";
}

Model load_model(const std::string & path, const LoadOptions & options) {
    Model model;
    model.path = path;
    model.file = std::make_shared<GgufFile>(path);
    const GgufFile & file = *model.file;
    model.hparams = read_hparams(file);
    model.dtype = file_dtype(file);
    if (file.has(keys::packed_layout)) {
        const uint32_t layout = file.u32(keys::packed_layout);
        if (layout != packed_layout) {
            fail(ErrorCode::unsupported, path, ": its weights are packed in layout ", layout, ", expected layout ",
                 packed_layout, "; convert the checkpoint again");
        }
        model.packed = true;
    }
    model.name = file.has(keys::name) ? std::string(file.string(keys::name)) : "";
    const bool has_wanted =
        (options.text && model.hparams.text.has_value()) || (options.vision && model.hparams.vision.has_value());
    if (!has_wanted) {
        fail(ErrorCode::invalid_argument, path, ": the file has no ", options.text ? "text" : "vision",
             " tower: it was written for the other one alone, which ",
             options.text ? "AltCLIPVisionModel" : "AltCLIPTextModel", " loads");
    }
    const bool has_projection = model.hparams.projection_dim > 0;
    if (options.text && options.vision && !has_projection) {
        fail(ErrorCode::invalid_argument, path, ": the file holds a tower without its projection, which ",
             model.hparams.text ? "AltCLIPTextModel" : "AltCLIPVisionModel", " loads");
    }
    if (!options.text) model.hparams.text.reset();
    if (!options.vision) model.hparams.vision.reset();

    model.context.reset(ggml_init({file.tensors().size() * ggml_tensor_overhead(), nullptr, true}));
    model.buffer.reset(ggml_backend_cpu_buffer_from_ptr(const_cast<uint8_t *>(file.data()), file.size()));
    if (!model.context || !model.buffer) fail(ErrorCode::out_of_memory, path, ": no memory for the tensor table");

    WeightReader reader(file, options, model);
    ggml_tensor * logit_scale = has_projection ? reader.f32(tensors::logit_scale, {1}) : nullptr;
    if (model.hparams.text) model.text = read_text(reader, *model.hparams.text, model.hparams.projection_dim);
    if (model.hparams.vision) model.vision = read_vision(reader, *model.hparams.vision, model.hparams.projection_dim);
    reader.copy_values();
    if (logit_scale) model.logit_scale = *static_cast<const float *>(logit_scale->data);
    if (!std::isfinite(model.logit_scale)) fail(ErrorCode::model_format, path, ": logit_scale is ", model.logit_scale);
    if (options.on_progress) options.on_progress(1.0f);
    return model;
}

}  // namespace altclip

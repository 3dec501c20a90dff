#include "binding/model_file_js.h"

#include "binding/hparams_js.h"
#include "model/model.h"
#include "model/names.h"

namespace altclip {

namespace {

/// The altclip.image.* keys under the names and in the shape that preprocessor_config.json has.
class PreprocessorReader {
public:
    PreprocessorReader(Napi::Env env, const GgufFile & file)
        : env_(env), file_(file), object_(Napi::Object::New(env)) {}

    void boolean(const char * field, const char * key) {
        if (file_.has(key)) object_.Set(field, file_.boolean(key));
    }
    void integer(const char * field, const char * key) { integer(object_, field, key); }
    void number(const char * field, const char * key) {
        if (file_.has(key)) object_.Set(field, file_.f64(key));
    }
    void numbers(const char * field, const char * key) {
        if (!file_.has(key)) return;
        Napi::Array array = Napi::Array::New(env_);
        for (const double value : file_.f64s(key)) array.Set(array.Length(), value);
        object_.Set(field, array);
    }
    void size(const char * field, const char * height, const char * width, const char * shortest_edge = nullptr) {
        Napi::Object size = Napi::Object::New(env_);
        if (shortest_edge) integer(size, "shortest_edge", shortest_edge);
        integer(size, "height", height);
        integer(size, "width", width);
        if (size.GetPropertyNames().Length() > 0) object_.Set(field, size);
    }
    bool empty() const { return object_.GetPropertyNames().Length() == 0; }
    Napi::Object object() const { return object_; }

private:
    void integer(Napi::Object & object, const char * field, const char * key) {
        if (file_.has(key)) object.Set(field, file_.u32(key));
    }

    Napi::Env env_;
    const GgufFile & file_;
    Napi::Object object_;
};

void read_preprocessor(PreprocessorReader & reader) {
    reader.boolean("do_resize", keys::image_do_resize);
    reader.size("size", keys::image_size_height, keys::image_size_width, keys::image_size_shortest_edge);
    reader.integer("resample", keys::image_resample);
    reader.boolean("do_center_crop", keys::image_do_center_crop);
    reader.size("crop_size", keys::image_crop_height, keys::image_crop_width);
    reader.boolean("do_rescale", keys::image_do_rescale);
    reader.number("rescale_factor", keys::image_rescale_factor);
    reader.boolean("do_normalize", keys::image_do_normalize);
    reader.numbers("image_mean", keys::image_mean);
    reader.numbers("image_std", keys::image_std);
    reader.boolean("do_convert_rgb", keys::image_do_convert_rgb);
}

/// GGUF drops trailing dimensions of 1; a matrix with one row is told from a vector by its name alone, so shapes come
/// back as the file states them, slowest dimension first.
Napi::Array tensors_to_js(Napi::Env env, const GgufFile & file) {
    Napi::Array array = Napi::Array::New(env, file.tensors().size());
    for (uint32_t i = 0; i < array.Length(); ++i) {
        const GgufTensor & tensor = file.tensors()[i];
        Napi::Array shape = Napi::Array::New(env);
        for (int d = tensor.n_dims; d-- > 0;) {
            shape.Set(shape.Length(), static_cast<double>(tensor.ne[static_cast<size_t>(d)]));
        }
        Napi::Object object = Napi::Object::New(env);
        object.Set("name", std::string(tensor.name));
        object.Set("type", ggml_type_name(tensor.type));
        object.Set("shape", shape);
        object.Set("bytes", static_cast<double>(tensor.n_bytes));
        array.Set(i, object);
    }
    return array;
}

}  // namespace

ModelFile read_model_file(const std::string & path) {
    const auto file = std::make_shared<const GgufFile>(path);
    ModelFile result{file, read_hparams(*file), "", file_dtype(*file)};
    if (file->has(keys::name)) result.name = file->string(keys::name);
    return result;
}

Napi::Object model_file_to_js(Napi::Env env, const ModelFile & model) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("name", model.name);
    object.Set("dtype", model.dtype);
    object.Set("bytes", static_cast<double>(model.file->size()));
    object.Set("hparams", hparams_to_js(env, model.hparams));
    PreprocessorReader preprocessor(env, *model.file);
    read_preprocessor(preprocessor);
    if (!preprocessor.empty()) object.Set("preprocessor", preprocessor.object());
    if (model.file->has(keys::packed_layout)) object.Set("packedLayout", model.file->u32(keys::packed_layout));
    object.Set("hasTokenizer", model.file->has(keys::tokenizer_tokens));
    object.Set("tensors", tensors_to_js(env, *model.file));
    return object;
}

}  // namespace altclip

// What is in a GGUF file, without its weights, as lib/native.ts's NativeModelFile.
#pragma once

#include <napi.h>

#include <memory>
#include <string>

#include "model/gguf_file.h"
#include "model/hparams.h"

namespace altclip {

struct ModelFile {
    std::shared_ptr<const GgufFile> file;
    Hparams hparams;
    std::string name;   // general.name, or empty
    std::string dtype;  // see file_dtype
};

/// `path` is UTF-8; off the JavaScript thread. Throws io and model_format.
ModelFile read_model_file(const std::string & path);
Napi::Object model_file_to_js(Napi::Env env, const ModelFile & model);

}  // namespace altclip

// The weights of a folder in Hugging Face's layout, whichever files hold them.
#pragma once

#include <memory>
#include <string>

#include "convert/weight_source.h"

namespace altclip {

/// Opens the first of model.safetensors, model.safetensors.index.json, pytorch_model.bin and
/// pytorch_model.bin.index.json. Throws io where the folder or its weights are missing, else as the formats' readers.
std::unique_ptr<WeightSource> open_checkpoint(const std::string & folder);

/// Whether `folder` has a file of that name; both UTF-8.
bool has_file(const std::string & folder, const std::string & name);
/// "folder/name"
std::string join_path(const std::string & folder, const std::string & name);

}  // namespace altclip

// The safetensors format: u64 header length, a JSON header, the tensors' bytes without gaps.
// https://github.com/huggingface/safetensors
#pragma once

#include <memory>
#include <string>

#include "convert/weight_source.h"

namespace altclip {

/// `path` is UTF-8. Throws io (cannot be read) and model_format (truncated, or a header that does not fit its file).
std::unique_ptr<WeightSource> open_safetensors(const std::string & path);

}  // namespace altclip

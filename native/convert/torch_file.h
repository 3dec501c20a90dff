// What torch.save writes since PyTorch 1.6: a zip archive of one pickle and the storages' bytes.
#pragma once

#include <memory>
#include <string>

#include "convert/weight_source.h"

namespace altclip {

/// `path` is UTF-8. Throws io (cannot be read), model_format (damaged) and unsupported (another kind of pickle, with
/// what to do about it).
std::unique_ptr<WeightSource> open_torch_file(const std::string & path);

}  // namespace altclip

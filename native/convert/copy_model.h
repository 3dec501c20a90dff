// A GGUF file once more, whole or one tower of it, without converting anything.
#pragma once

#include <string>

#include "abort_flag.h"

namespace altclip {

struct CopyOptions {
    std::string source;  // a model's GGUF file, UTF-8
    std::string output;  // UTF-8; replaced when the new file is complete
    std::string tower;   // text or vision: that tower alone; empty: all that is there
    AbortFlag abort;
};

/// Keys and tensors as they are: of one tower what convert_model() with that tower would have written. On any error the
/// output's folder is as before. Throws invalid_argument (tower), io, model_format, unsupported where the file lacks
/// the tower, and aborted.
void copy_model(const CopyOptions & options);

}  // namespace altclip

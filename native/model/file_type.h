// The dtypes a model file can have: their names, llama.cpp's ftype numbers, and which tensors carry which ggml type.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ggml.h"

namespace altclip {

struct FileType {
    const char * name;
    ggml_type type;   // of most weights
    ggml_type fine;   // of the weights that a mix keeps finer; else the same as `type`
    uint32_t number;  // general.file_type: llama.cpp's llama_ftype
};

/// Every dtype, finest first.
const std::vector<FileType> & file_types();
/// Their names, "f32, f16, ..."
std::string file_type_names();
/// Null where there is no such dtype.
const FileType * find_file_type(const std::string & name);
const FileType * find_file_type(uint32_t number);

/// Types that a weight may have in a file.
bool is_weight_type(ggml_type type);

/// Values a row of patches takes as `type`: `n` and as many zeros as fill the last block.
int64_t padded_row(int64_t n, ggml_type type);

}  // namespace altclip

#include "model/file_type.h"

#include <algorithm>

namespace altclip {

const std::vector<FileType> & file_types() {
    static const std::vector<FileType> all = {
        {"f32", GGML_TYPE_F32, GGML_TYPE_F32, 0},     {"f16", GGML_TYPE_F16, GGML_TYPE_F16, 1},
        {"bf16", GGML_TYPE_BF16, GGML_TYPE_BF16, 32}, {"q8_0", GGML_TYPE_Q8_0, GGML_TYPE_Q8_0, 7},
        {"q6_k", GGML_TYPE_Q6_K, GGML_TYPE_Q6_K, 18}, {"q5_k_m", GGML_TYPE_Q5_K, GGML_TYPE_Q8_0, 17},
        {"q5_k", GGML_TYPE_Q5_K, GGML_TYPE_Q5_K, 16}, {"q4_k_m", GGML_TYPE_Q4_K, GGML_TYPE_Q6_K, 15},
        {"q4_k", GGML_TYPE_Q4_K, GGML_TYPE_Q4_K, 14}, {"q4_0", GGML_TYPE_Q4_0, GGML_TYPE_Q4_0, 2},
    };
    return all;
}

std::string file_type_names() {
    std::string names;
    for (const FileType & one : file_types()) names += (names.empty() ? "" : ", ") + std::string(one.name);
    return names;
}

const FileType * find_file_type(const std::string & name) {
    const auto at =
        std::find_if(file_types().begin(), file_types().end(), [&](const FileType & one) { return name == one.name; });
    return at == file_types().end() ? nullptr : &*at;
}

const FileType * find_file_type(uint32_t number) {
    const auto at = std::find_if(file_types().begin(), file_types().end(),
                                 [&](const FileType & one) { return number == one.number; });
    return at == file_types().end() ? nullptr : &*at;
}

bool is_weight_type(ggml_type type) {
    return std::any_of(file_types().begin(), file_types().end(),
                       [&](const FileType & one) { return type == one.type; });
}

int64_t padded_row(int64_t n, ggml_type type) {
    const int64_t block = ggml_blck_size(type);
    return (n + block - 1) / block * block;
}

}  // namespace altclip

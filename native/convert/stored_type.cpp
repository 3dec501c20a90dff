#include "convert/stored_type.h"

namespace altclip {

ggml_type stored_type(const TensorSpec & spec, const FileType & file_type) {
    if (!spec.is_weight) return GGML_TYPE_F32;
    const ggml_type wanted = spec.is_sensitive ? file_type.fine : file_type.type;
    if (spec.is_patch_embedding()) return wanted;
    for (const ggml_type type : {wanted, GGML_TYPE_Q8_0}) {
        if (spec.ne()[0] % ggml_blck_size(type) == 0) return type;
    }
    return GGML_TYPE_F16;
}

int64_t stored_row(const TensorSpec & spec, ggml_type type) {
    const int64_t n = spec.ne()[0];
    return spec.is_patch_embedding() ? padded_row(n, type) : n;
}

}  // namespace altclip

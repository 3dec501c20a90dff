#include "runtime/similarity.h"

#include <cmath>
#include <utility>

#include "error.h"

namespace altclip {

namespace {

void normalize_rows(std::vector<float> & values, size_t dim, const char * name) {
    if (dim == 0 || values.empty() || values.size() % dim != 0) {
        fail(ErrorCode::invalid_argument, name, " features: ", values.size(),
             " values, expected a positive multiple of ", dim);
    }
    for (auto row = values.begin(); row != values.end(); row += static_cast<std::ptrdiff_t>(dim)) {
        double sum = 0;
        for (size_t i = 0; i < dim; ++i)
            sum += static_cast<double>(row[static_cast<std::ptrdiff_t>(i)]) * row[static_cast<std::ptrdiff_t>(i)];
        const auto norm = static_cast<float>(std::sqrt(sum));
        for (size_t i = 0; i < dim; ++i) row[static_cast<std::ptrdiff_t>(i)] /= norm;
    }
}

}  // namespace

Similarity similarity(std::vector<float> text, std::vector<float> image, size_t dim, float logit_scale) {
    normalize_rows(text, dim, "text");
    normalize_rows(image, dim, "image");
    const float scale = std::exp(logit_scale);
    Similarity out{std::move(text), std::move(image), {}};
    const size_t n_images = out.image_embeds.size() / dim;
    out.logits_per_text.resize(out.text_embeds.size() / dim * n_images);
    float * logit = out.logits_per_text.data();
    for (const float * t = out.text_embeds.data(); t != out.text_embeds.data() + out.text_embeds.size(); t += dim) {
        for (size_t i = 0; i < n_images; ++i) {
            double dot = 0;
            for (size_t c = 0; c < dim; ++c) dot += static_cast<double>(t[c]) * out.image_embeds[i * dim + c];
            *logit++ = scale * static_cast<float>(dot);
        }
    }
    return out;
}

}  // namespace altclip

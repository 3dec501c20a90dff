#include "convert/weight_source.h"

#include <cstring>

#include "error.h"
#include "ggml.h"

namespace altclip {

namespace {

template <typename T, typename Convert>
void widen_all(const uint8_t * data, int64_t count, float * out, Convert convert) {
    for (int64_t i = 0; i < count; ++i) {
        T value;
        std::memcpy(&value, data + static_cast<size_t>(i) * sizeof(T), sizeof(T));
        out[i] = convert(value);
    }
}

}  // namespace

std::optional<int64_t> element_count(const std::vector<int64_t> & shape) {
    constexpr int64_t most = int64_t{1} << 48;
    int64_t n = 1;
    for (const int64_t dimension : shape) {
        if (dimension < 0) return std::nullopt;
        if (dimension == 0) return 0;
        if (dimension > most / n) return std::nullopt;
        n *= dimension;
    }
    return n;
}

std::string shape_text(const std::vector<int64_t> & shape) {
    std::string text = "[";
    for (const int64_t dimension : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(dimension);
    return text + "]";
}

void widen(SourceType type, const uint8_t * data, int64_t count, float * out) {
    switch (type) {
        case SourceType::f32: std::memcpy(out, data, static_cast<size_t>(count) * sizeof(float)); return;
        case SourceType::f16: return widen_all<ggml_fp16_t>(data, count, out, ggml_fp16_to_fp32);
        case SourceType::bf16: return widen_all<ggml_bf16_t>(data, count, out, ggml_bf16_to_fp32);
        case SourceType::f64:
            return widen_all<double>(data, count, out, [](double value) { return static_cast<float>(value); });
        case SourceType::other: break;
    }
    fail(ErrorCode::internal, "widen: not a floating-point type");
}

}  // namespace altclip

#include "image/coefficients.h"

#include <algorithm>
#include <cmath>

namespace altclip {

namespace {

constexpr double pi = 3.14159265358979323846;

struct Filter {
    double (*value)(double x);
    double support;
};

double box(double x) {
    return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

double bilinear(double x) {
    x = std::fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

double hamming(double x) {
    x = std::fabs(x);
    if (x == 0.0) return 1.0;
    if (x >= 1.0) return 0.0;
    x *= pi;
    return std::sin(x) / x * (0.54f + 0.46f * std::cos(x));  // Pillow's constants are floats
}

double bicubic(double x) {
    constexpr double a = -0.5;
    x = std::fabs(x);
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

double sinc(double x) {
    if (x == 0.0) return 1.0;
    x *= pi;
    return std::sin(x) / x;
}

double lanczos(double x) {
    return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
}

Filter filter_of(Resample filter) {
    switch (filter) {
        case Resample::box: return {box, 0.5};
        case Resample::bilinear: return {bilinear, 1.0};
        case Resample::hamming: return {hamming, 1.0};
        case Resample::lanczos: return {lanczos, 3.0};
        default: return {bicubic, 2.0};
    }
}

int32_t fixed_point(double weight) {
    const double scaled = weight * (1 << resample_precision_bits);
    return int32_t(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
}

}  // namespace

Span ResampleTable::input() const {
    return {first.front(), first.back() + length.back()};  // windows move to the right only
}

ResampleTable resample_table(Resample filter, int in_size, int out_size, Span span) {
    const Filter kernel = filter_of(filter);
    const double scale = double(in_size) / out_size;
    const double filter_scale = std::max(scale, 1.0);
    const double support = kernel.support * filter_scale;
    const double inverse = 1.0 / filter_scale;

    ResampleTable table;
    table.stride = std::min(int(std::ceil(support)) * 2 + 1, in_size);
    table.first.reserve(span.size());
    table.length.reserve(span.size());
    table.weights.assign(size_t(span.size()) * table.stride, 0);
    std::vector<double> window(table.stride);
    for (int pixel = span.begin; pixel < span.end; ++pixel) {
        const double center = (pixel + 0.5) * scale;
        const int first = std::max(int(center - support + 0.5), 0);
        const int length = std::min(int(center + support + 0.5), in_size) - first;
        double sum = 0.0;
        for (int i = 0; i < length; ++i) {
            window[i] = kernel.value((i + first - center + 0.5) * inverse);
            sum += window[i];
        }
        int32_t * const weights = table.weights.data() + size_t(pixel - span.begin) * table.stride;
        for (int i = 0; i < length; ++i) weights[i] = fixed_point(sum != 0.0 ? window[i] / sum : window[i]);
        table.first.push_back(first);
        table.length.push_back(length);
    }
    return table;
}

Span input_span(Resample filter, int in_size, int out_size, Span span) {
    if (in_size == out_size) return span;
    if (filter != Resample::nearest) {
        const auto input_of = [&](int pixel) {
            return resample_table(filter, in_size, out_size, {pixel, pixel + 1}).input();
        };
        return {input_of(span.begin).begin, input_of(span.end - 1).end};
    }
    const double step = double(in_size) / out_size;  // the table's sums of it are less than a pixel away
    return {std::max(int(span.begin * step) - 1, 0), std::min(int(span.end * step) + 2, in_size)};
}

std::vector<int> nearest_table(int in_size, int out_size, Span span) {
    // Pillow adds the step again and again (Geometry.c, ImagingScaleAffine); a product would round differently
    const double step = double(in_size) / out_size;
    double position = step * 0.5;
    std::vector<int> table;
    table.reserve(span.size());
    for (int pixel = 0; pixel < span.end; ++pixel, position += step) {
        if (pixel >= span.begin) table.push_back(position < in_size ? int(position) : -1);
    }
    return table;
}

}  // namespace altclip

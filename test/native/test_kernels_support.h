// Numbers and comparisons for the kernels' tests.
#pragma once

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "check.h"
#include "ggml.h"
#include "kernels/isa.h"

namespace altclip::test {

inline std::mt19937 random_bits(11);

inline std::vector<float> noise(int64_t n, float scale = 1.0f) {
    std::normal_distribution<float> normal(0.0f, scale);
    std::vector<float> values(static_cast<size_t>(n));
    for (float & x : values) x = normal(random_bits);
    return values;
}

inline double largest_difference(const std::vector<float> & a, const std::vector<float> & b) {
    double worst = a.size() == b.size() ? 0 : INFINITY;
    for (size_t i = 0; i < a.size() && i < b.size(); ++i)
        worst = std::max(worst, std::fabs(static_cast<double>(a[i]) - b[i]));
    return worst;
}

inline void round_to_bf16(std::vector<float> & x) {
    std::vector<ggml_bf16_t> rounded(x.size());
    ggml_fp32_to_bf16_row_ref(x.data(), rounded.data(), static_cast<int64_t>(x.size()));
    ggml_bf16_to_fp32_row(rounded.data(), x.data(), static_cast<int64_t>(x.size()));
}

inline void at_most(double value, double limit, Isa isa, const std::string & what) {
    check::report(value <= limit, isa_name(isa), 0,
                  what + ": " + std::to_string(value) + " > " + std::to_string(limit));
}

}  // namespace altclip::test

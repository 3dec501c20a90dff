#include "graph/position_interpolation.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace altclip {

namespace {

struct Taps {
    std::array<int64_t, 4> index;
    std::array<float, 4> weight;
};

/// The four source positions of each destination position and their weights; torch's get_cubic_upsample_coefficients.
std::vector<Taps> cubic_taps(int64_t n_source, int64_t n_target) {
    constexpr float a = -0.75f;
    const auto near = [](float x) { return ((a + 2) * x - (a + 3)) * x * x + 1; };
    const auto far = [](float x) { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a; };
    const float scale = static_cast<float>(n_source) / static_cast<float>(n_target);
    std::vector<Taps> taps(static_cast<size_t>(n_target));
    for (int64_t i = 0; i < n_target; ++i) {
        const float at = scale * (static_cast<float>(i) + 0.5f) - 0.5f;
        const float floor = std::floor(at), t = at - floor;
        Taps & one = taps[static_cast<size_t>(i)];
        one.weight = {far(t + 1), near(t), near(1 - t), far(2 - t)};
        for (int64_t j = 0; j < 4; ++j) {
            one.index[static_cast<size_t>(j)] =
                std::clamp<int64_t>(static_cast<int64_t>(floor) - 1 + j, 0, n_source - 1);
        }
    }
    return taps;
}

}  // namespace

std::vector<float> interpolate_positions(const float * table, int64_t n_grid, int64_t n_embd, int64_t height,
                                         int64_t width) {
    const float * grid = table + n_embd;
    std::vector<float> out(static_cast<size_t>((1 + height * width) * n_embd));
    std::copy(table, grid, out.begin());
    if (height == n_grid && width == n_grid) {
        std::copy(grid, grid + n_grid * n_grid * n_embd, out.begin() + n_embd);
        return out;
    }
    const std::vector<Taps> rows = cubic_taps(n_grid, height), columns = cubic_taps(n_grid, width);
    float * target = out.data() + n_embd;
    for (const Taps & row : rows) {
        for (const Taps & column : columns) {
            for (int64_t c = 0; c < n_embd; ++c) {
                float sum = 0;
                for (size_t y = 0; y < 4; ++y) {
                    float line = 0;
                    for (size_t x = 0; x < 4; ++x)
                        line += column.weight[x] * grid[(row.index[y] * n_grid + column.index[x]) * n_embd + c];
                    sum += row.weight[y] * line;
                }
                target[c] = sum;
            }
            target += n_embd;
        }
    }
    return out;
}

}  // namespace altclip

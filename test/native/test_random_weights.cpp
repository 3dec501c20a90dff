// Weights of a model made from a config: transformers' distributions, tensor by tensor.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "check.h"
#include "convert/config.h"
#include "convert/convert.h"
#include "convert/random_weights.h"
#include "model/gguf_file.h"
#include "test_convert_support.h"

using namespace altclip;
using support::read_all;
using support::TemporaryFolder;

// scripts/reference/initialisation.py made the figures, from 200 models of transformers
TEST("every tensor is distributed as transformers initialises it") {
    const nlohmann::json reference = nlohmann::json::parse(support::read_file(support::fixture("initialisation.json")));
    const nlohmann::json & figures = reference.at("mean, std, zeros");
    const auto n_models = reference.at("models").get<double>();
    const auto source = random_weights(parse_config(reference.at("config").dump(), "config"), 7);
    CHECK(source->tensors().size() == figures.size());
    for (size_t i = 0; i < source->tensors().size(); ++i) {
        const std::vector<float> values = read_all(*source, i);
        const nlohmann::json & expected = figures.at(source->tensors()[i].name);
        const auto expected_mean = expected.at(0).get<double>(), expected_std = expected.at(1).get<double>();
        double sum = 0, squares = 0;
        for (const float value : values) {
            sum += value;
            squares += double{value} * value;
        }
        const auto n = static_cast<double>(values.size());
        const double mean = sum / n;
        const double std = std::sqrt(std::max(squares / n - mean * mean, 0.0));
        if (expected_std == 0) {
            CHECK(std::all_of(values.begin(), values.end(), [&](float value) { return value == values[0]; }));
            CHECK(values[0] == static_cast<float>(expected_mean));
        } else {
            // six standard errors of our one model and their many
            const double error = 6 * std::sqrt(1 / n + 1 / (n * n_models));
            CHECK_NEAR((mean - expected_mean) / expected_std, 0.0, error);
            CHECK_NEAR(std / expected_std, 1.0, error / std::sqrt(2.0));
            const auto n_zeros = static_cast<double>(std::count(values.begin(), values.end(), 0.0f));
            CHECK_NEAR(n_zeros, expected.at(2).get<double>(), 1.0);  // the row of the padding id
        }
    }
}

TEST("values depend on seed, tensor and place alone, and are normal") {
    const ModelConfig config = read_config(support::fixture("models/tiny/config.json"));
    const auto source = random_weights(config, 7), other = random_weights(config, 8);
    std::vector<float> part(11), normal;
    for (size_t i = 0; i < source->tensors().size(); ++i) {
        const std::vector<float> values = read_all(*source, i);
        if (values.size() < 1000) continue;
        source->read(i, 33, 11, part.data());
        CHECK(std::equal(part.begin(), part.end(), values.begin() + 33));
        CHECK(values != read_all(*other, i));
        if (source->tensors()[i].name == "vision_model.encoder.layer.1.mlp.fc1.weight") normal = values;
    }
    // shares of a normal distribution within one and two standard deviations; width 64, so 1 / sqrt(128) is one
    const auto share = [&](double most) {
        const auto inside = [&](float value) { return std::fabs(value) < most / std::sqrt(128.0); };
        return static_cast<double>(std::count_if(normal.begin(), normal.end(), inside)) /
               static_cast<double>(normal.size());
    };
    const double error = 6 * 0.5 / std::sqrt(static_cast<double>(normal.size()));
    CHECK_NEAR(share(1), 0.6827, error);
    CHECK_NEAR(share(2), 0.9545, error);
}

TEST("a config alone becomes a file") {
    const TemporaryFolder folder;
    ConvertOptions options;
    options.source = RandomSource{support::read_file(support::fixture("models/tiny/config.json")), 7};
    options.output = folder.file("r.gguf");
    CHECK(convert_model(options).dtype == "f32");
    CHECK(GgufFile(folder.file("r.gguf")).tensors().size() == 99);
    options.source = RandomSource{R"({"text_config": 3})", 0};
    CHECK_ERROR(model_format, "config: text_config is 3", convert_model(options));
}

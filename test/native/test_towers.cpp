// Both towers against transformers, f32: every golden case that one tower answers, straight through the engine.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#ifdef __linux__
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <future>
#endif

#include "check.h"
#include "golden.h"
#include "kernels/isa.h"
#include "test_towers_support.h"

using namespace altclip;
using namespace support;

namespace {

/// Largest difference to values of up to `scale`; GPUs sum in orders of their own.
double tolerance(double scale) {
    return on_cpu() ? 5e-5 + 2e-5 * scale : 1e-3 * scale;
}

using Case = std::map<std::string, golden::Tensor>;

TextInput text_input(const Case & tensors) {
    TextInput input;
    const bool has_ids = tensors.count("in.input_ids") != 0;
    const golden::Tensor & tokens = tensors.at(has_ids ? "in.input_ids" : "in.inputs_embeds");
    input.n_rows = tokens.shape[0];
    input.n_columns = tokens.shape[1];
    input.ids = tokens.i64;
    input.embeds = tokens.f32;
    const auto optional = [&](const char * name) {
        return tensors.count(name) ? tensors.at(name).i64 : std::vector<int64_t>();
    };
    input.attention_mask = optional("in.attention_mask");
    input.token_type_ids = optional("in.token_type_ids");
    for (int64_t row = 0; row < input.n_rows && tensors.count("in.position_ids"); ++row) {
        const golden::Tensor & positions = tensors.at("in.position_ids");
        const auto begin = positions.i64.begin() + (positions.shape[0] == 1 ? 0 : row * input.n_columns);
        input.position_ids.insert(input.position_ids.end(), begin, begin + input.n_columns);
    }
    return input;
}

ImageInput image_input(const Case & tensors, bool interpolate) {
    const golden::Tensor & pixels = tensors.at("in.pixel_values");
    return {pixels.shape[0], pixels.shape[1], pixels.shape[2], pixels.shape[3], pixels.f32, interpolate};
}

/// Whether the mask leaves row `i` of [rows, tokens] to be compared; a row hidden altogether is.
bool visible(const TextInput & input, size_t i) {
    if (input.attention_mask.empty() || input.attention_mask[i] != 0) return true;
    const auto row = input.attention_mask.begin() + static_cast<std::ptrdiff_t>(i) / input.n_columns * input.n_columns;
    return std::all_of(row, row + input.n_columns, [](int64_t m) { return m == 0; });
}

struct Comparison {
    std::string name;
    const TextInput * text;  // null: nothing is masked
    double tolerance;
};

/// `n_inner` values per compared row.
void compare(const Comparison & c, const std::vector<float> & got, const golden::Tensor & expected, size_t n_inner) {
    check::report(got.size() == expected.f32.size(), c.name.c_str(), 0, "size differs");
    if (got.size() != expected.f32.size()) return;
    double worst = 0;
    for (size_t i = 0; i < got.size(); ++i) {
        if (!c.text || visible(*c.text, i / n_inner))
            worst = std::max(worst, std::fabs(static_cast<double>(got[i]) - expected.f32[i]));
    }
    check::report(worst <= c.tolerance, c.name.c_str(), 0, "differs by " + std::to_string(worst));
}

double largest(const golden::Tensor & tensor) {
    double most = 0;
    for (const float x : tensor.f32) most = std::max(most, std::fabs(static_cast<double>(x)));
    return most;
}

void compare_tower(const std::string & name, const TowerOutput & got, const Case & tensors, const std::string & prefix,
                   const TextInput * text) {
    const auto hidden = [&](const std::string & key, const std::vector<float> & values, bool per_token) {
        const golden::Tensor & expected = tensors.at(prefix + key);
        compare({name + " " + key, per_token ? text : nullptr, tolerance(largest(expected))}, values, expected,
                static_cast<size_t>(expected.shape.back()));
    };
    if (!got.last_hidden_state.empty()) hidden("last_hidden_state", got.last_hidden_state, true);
    if (!got.pooler_output.empty()) hidden("pooler_output", got.pooler_output, false);
    for (size_t i = 0; i < got.hidden_states.size(); ++i)
        hidden("hidden_states." + std::to_string(i), got.hidden_states[i], true);
    for (size_t i = 0; i < got.attentions.size(); ++i) {
        // queries that the mask hides are not compared: bring rows first, [n, tokens, heads, tokens]
        const std::string key = "attentions." + std::to_string(i);
        golden::Tensor expected = tensors.at(prefix + key);
        const auto n = static_cast<size_t>(expected.shape[0]), heads = static_cast<size_t>(expected.shape[1]),
                   t = static_cast<size_t>(expected.shape[2]);
        std::vector<float> ours(got.attentions[i].size());
        const std::vector<float> theirs = expected.f32;
        for (size_t b = 0; b < n; ++b) {
            for (size_t h = 0; h < heads; ++h) {
                for (size_t q = 0; q < t; ++q) {
                    for (size_t k = 0; k < t; ++k) {
                        const size_t from = ((b * heads + h) * t + q) * t + k, to = ((b * t + q) * heads + h) * t + k;
                        ours[to] = got.attentions[i][from];
                        expected.f32[to] = theirs[from];
                    }
                }
            }
        }
        compare({name + " " + key, text, on_cpu() ? 1e-5 : 1e-3}, ours, expected, heads * t);
    }
}

void run_case(Engine & engine, const std::string & folder, const nlohmann::json & one) {
    const std::string method = one["method"], name = folder + " " + one["id"].get<std::string>();
    const Case tensors = golden::read_safetensors(folder + "/" + one["file"].get<std::string>());
    const nlohmann::json & kwargs = one["kwargs"];
    const bool interpolate = kwargs.value("interpolate_pos_encoding", false);
    if (method == "get_text_features" || method == "get_image_features") {
        const bool is_text = method == "get_text_features";
        Wanted wanted;
        wanted.features = true;
        const golden::Tensor & expected = tensors.at(is_text ? "out.text_features" : "out.image_features");
        const TowerOutput got =
            is_text ? run(engine, text_input(tensors), wanted) : run(engine, image_input(tensors, interpolate), wanted);
        compare({name, nullptr, tolerance(largest(expected))}, got.features, expected, 1);
        return;
    }
    Wanted wanted{true, true, false, kwargs.value("output_hidden_states", false),
                  kwargs.value("output_attentions", false)};
    const bool whole = method == "AltCLIPModel.forward";
    if (whole || method == "AltCLIPTextModel.forward") {
        const TextInput input = text_input(tensors);
        compare_tower(name, run(engine, input, wanted), tensors, whole ? "out.text_model_output." : "out.", &input);
        Wanted pooled;
        pooled.pooler_output = true;  // the short way through the last block
        compare_tower(name + " pooled only", run(engine, input, pooled), tensors,
                      whole ? "out.text_model_output." : "out.", &input);
    }
    if (whole || method == "AltCLIPVisionModel.forward") {
        compare_tower(name, run(engine, image_input(tensors, interpolate), wanted), tensors,
                      whole ? "out.vision_model_output." : "out.", nullptr);
    }
}

void run_all(const std::string & model, bool packed = false) {
    Engine engine(load_f32(model, true, true, packed), device(), 2);
    const std::string folder = fixtures + "/outputs/" + model;
    const nlohmann::json file = golden::read_json(folder + "/cases.json");
    CHECK(!file["cases"].empty());
    for (const nlohmann::json & one : file["cases"]) run_case(engine, folder, one);
}

}  // namespace

TEST("tiny: quick_gelu, head_dim 16") {
    run_all("tiny");
}
TEST("tiny-gelu-h80: gelu, head_dim 80, two token types") {
    run_all("tiny-gelu-h80");
}
TEST("tiny-f16 and tiny-bf16, widened to f32") {
    run_all("tiny-f16");
    run_all("tiny-bf16");
}

TEST("weights packed in the file; ggml's operators and GPUs refuse them") {
    const bool ggml = std::getenv("ALTCLIP_KERNELS") || (best_isa() == Isa::scalar && !std::getenv("ALTCLIP_ISA"));
    if (on_cpu() && !ggml) return run_all("tiny-gelu-h80", true);
    CHECK_ERROR(unsupported, "packed for altclip's CPU kernels",
                Engine(load_f32("tiny", true, true, true), device(), 2));
}

TEST("a text is the same whatever lies beside it") {
    Engine engine(load_f32("tiny"), device(), 2);
    Wanted wanted;
    wanted.features = true;
    TextInput many = ids(200, 30);  // several graphs, many lengths in each
    many.attention_mask.assign(many.ids.size(), 1);
    for (int64_t row = 0; row < many.n_rows; ++row) {
        for (int64_t column = 2 + row % 29; column < 30; ++column)
            many.attention_mask[static_cast<size_t>(row * 30 + column)] = 0;
    }
    const TowerOutput all = run(engine, many, wanted);
    const size_t dim = all.features.size() / 200;
    double worst = 0;
    for (int64_t row = 0; row < many.n_rows; row += 7) {
        TextInput one = ids(1, 2 + row % 29);
        for (int64_t i = 0; i < one.n_columns; ++i)
            one.ids[static_cast<size_t>(i)] = many.ids[static_cast<size_t>(row * 30 + i)];
        const TowerOutput alone = run(engine, one, wanted);
        for (size_t c = 0; c < dim; ++c) {
            worst = std::max(worst, std::fabs(static_cast<double>(alone.features[c]) -
                                              all.features[static_cast<size_t>(row) * dim + c]));
        }
    }
    CHECK(worst < (on_cpu() ? 1e-5 : 1e-3));
}

TEST("one tower alone") {
    Engine engine(load_f32("tiny", true, false), device(), 1);
    Wanted wanted;
    wanted.features = true;
    CHECK(run(engine, ids(1, 3), wanted).features.size() == 40);
    CHECK_ERROR(invalid_argument, "without its vision tower",
                run(engine, ImageInput{1, 3, 32, 32, std::vector<float>(3072), false}, wanted));
}

TEST("a picture too large for the machine's memory is an error, not the end of the process") {
    Engine engine(load_f32("tiny", false, true), device(), 1);
    Wanted wanted;
    wanted.attentions = true;
    const int64_t side = 8 * 400;
    ImageInput input{1, 3, side, side, std::vector<float>(static_cast<size_t>(3 * side * side)), true};
    CHECK_ERROR(out_of_memory, "MB of memory", run(engine, std::move(input), wanted));
    CHECK(run(engine, ImageInput{1, 3, 32, 32, std::vector<float>(3072), false}, wanted).attentions.size() == 3);
}

// qemu-user, where we test for Arm, keeps no such limit
#if defined(__linux__) && defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)
namespace {

/// The process has so many bytes beyond what it has now, as long as this lives.
class MemoryLimit {
public:
    explicit MemoryLimit(rlim_t room) {
        getrlimit(RLIMIT_AS, &before_);
        rlim_t n_pages = 0;
        std::ifstream("/proc/self/statm") >> n_pages;
        const rlimit limit{n_pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE)) + room, before_.rlim_max};
        setrlimit(RLIMIT_AS, &limit);
    }
    ~MemoryLimit() { setrlimit(RLIMIT_AS, &before_); }
    MemoryLimit(const MemoryLimit &) = delete;
    MemoryLimit & operator=(const MemoryLimit &) = delete;

private:
    rlimit before_{};
};

TextInput one_text(int64_t n_tokens) {
    TextInput input = ids(1, n_tokens);
    input.position_ids.assign(static_cast<size_t>(n_tokens), 2);  // more tokens than there are positions
    return input;
}

}  // namespace

TEST("a work buffer that the system refuses is an error, again and again") {
    if (!on_cpu() || std::getenv("ALTCLIP_KERNELS")) return;  // ggml's attention takes far more memory
    Engine engine(load_f32("tiny", true, false), "cpu", 1);
    Wanted wanted;
    wanted.features = true;
    CHECK(run(engine, ids(1, 3), wanted).features.size() == 40);
    {
        const MemoryLimit limit(16 << 20);
        for (int i = 0; i < 2; ++i)
            CHECK_ERROR(out_of_memory, "no memory for the work buffer", run(engine, one_text(300000), wanted));
    }
    CHECK(run(engine, ids(1, 3), wanted).features.size() == 40);
}

TEST("a call that is too much fails alone, not with those that were batched with it") {
    if (!on_cpu() || std::getenv("ALTCLIP_KERNELS")) return;  // ggml's attention takes far more memory
    Engine engine(load_f32("tiny", true, false), "cpu", 1);
    Wanted features, attentions;
    features.features = attentions.attentions = true;
    std::promise<bool> results[3];
    const auto submit = [&](size_t i, TextInput input, const Wanted & wanted) {
        Job job;
        job.input = std::move(input);
        job.wanted = wanted;
        job.done = [&, i](const TowerOutput &) { results[i].set_value(true); };
        job.failed = [&, i](const std::exception_ptr &) { results[i].set_value(false); };
        engine.submit(std::move(job));
    };
    submit(0, one_text(8000), features);  // while it is computed, the next two wait together
    submit(1, ids(1, 5), attentions);
    submit(2, one_text(1900), attentions);
    const MemoryLimit limit(60 << 20);
    CHECK(results[0].get_future().get());
    CHECK(results[1].get_future().get());
    CHECK(!results[2].get_future().get());
}
#endif

TEST("abort before and during work; dispose with work waiting") {
    Engine engine(load_f32("tiny"), device(), 2);
    Wanted wanted;
    wanted.features = true;
    AbortFlag before;
    before.abort();
    CHECK_ERROR(aborted, "aborted", run(engine, ids(1, 3), wanted, before));

    AbortFlag during;
    std::thread later([during]() mutable { during.abort(); });
    try {
        run(engine, ids(5000, 60), wanted, during);
    } catch (const Error & e) {
        CHECK(e.code() == ErrorCode::aborted);
    }
    later.join();
    CHECK(run(engine, ids(1, 3), wanted).features.size() == 40);

    std::atomic<int> n_done{0}, n_disposed{0};
    for (int i = 0; i < 20; ++i) {
        Job job;
        job.input = ids(2000, 60);
        job.wanted = wanted;
        job.done = [&](const TowerOutput &) { ++n_done; };
        job.failed = [&](std::exception_ptr error) {
            try {
                std::rethrow_exception(error);
            } catch (const Error & e) {
                n_disposed += e.code() == ErrorCode::disposed ? 1 : 0;
            }
        };
        engine.submit(std::move(job));
    }
    engine.shut_down();
    engine.shut_down();
    CHECK(n_done + n_disposed == 20);
    CHECK(n_disposed > 0);
    CHECK_ERROR(disposed, "disposed", run(engine, ids(1, 3), wanted));
}

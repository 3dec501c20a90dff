// Hostile files of every format, thousands of each: refused with an error or read, never more. ALTCLIP_FULL runs all of
// them; ALTCLIP_FUZZ_CASE="pickle:17" one.
#include <algorithm>
#include <cstdlib>
#include <ctime>

#include "cases.h"
#include "check.h"
#include "heap_count.h"
#include "seeds.h"
#include "targets.h"
#include "test_convert_support.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace {

constexpr size_t n_quick = 40;
constexpr size_t max_extra_bytes = size_t{64} << 20;
constexpr double max_seconds = 2;  // of processor time, far above what any of these files needs

bool full() {
    return std::getenv("ALTCLIP_FULL") != nullptr;
}

/// What a sanitizer's report ends with, so that the file can be made again.
std::string & current_case() {
    static std::string text;
    return text;
}
void print_current_case() {
    std::fprintf(stderr, "ALTCLIP_FUZZ_CASE=\"%s\"\n", current_case().c_str());
}

const fuzz::Target & target_of(const fuzz::Campaign & campaign) {
    for (const fuzz::Target & target : fuzz::targets) {
        if (std::string(target.name) == campaign.target) return target;
    }
    throw std::logic_error("no such target");
}

struct Tally {
    size_t n_sound = 0;
    size_t n_refused = 0;
    size_t n_extra_bytes = 0;  // the worst file's
    double seconds = 0;        // the slowest file's
};

void run_case(const fuzz::Campaign & campaign, const std::string & bytes, const std::string & path, Tally & tally) {
    support::write_file(path, bytes);
    fuzz::reset_peak();
    const std::clock_t start = std::clock();
    const fuzz::Outcome outcome = target_of(campaign).read(path);
    const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    const size_t n_peak = fuzz::peak_bytes();
    const size_t n_extra = n_peak > bytes.size() ? n_peak - bytes.size() : 0;
    // what passes for a sound model must also survive being used: NaN weights, scales of infinity
    if (outcome == fuzz::Outcome::sound && campaign.target == std::string("gguf")) fuzz::run_forward(path);
    const char * name = current_case().c_str();
    check::report(n_extra <= max_extra_bytes, name, 0,
                  "took " + std::to_string(n_peak) + " bytes for a file of " + std::to_string(bytes.size()));
    check::report(seconds <= max_seconds || !full(), name, 0, "took " + std::to_string(seconds) + " s");
    (outcome == fuzz::Outcome::sound ? tally.n_sound : tally.n_refused) += 1;
    tally.n_extra_bytes = std::max(tally.n_extra_bytes, n_extra);
    tally.seconds = std::max(tally.seconds, seconds);
}

/// Files and folders below `folder`.
size_t n_below(const std::string & folder) {
    return static_cast<size_t>(std::distance(std::filesystem::recursive_directory_iterator(folder), {}));
}

}  // namespace

TEST("the undamaged files are read") {
    const support::TemporaryFolder folder;
    for (const fuzz::Campaign & campaign : fuzz::campaigns()) {
        support::write_file(folder.file("x"), campaign.sound());
        check::report(target_of(campaign).read(folder.file("x")) == fuzz::Outcome::sound, campaign.format.c_str(), 0,
                      "the sound file is refused");
    }
}

TEST("damaged files do no harm") {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_set_death_callback(print_current_case);
#endif
    const char * one = std::getenv("ALTCLIP_FUZZ_CASE");
    // names such as ../x in a file must make nothing in the folder around its own
    const support::TemporaryFolder outer;
    std::filesystem::create_directory(outer.file("inner"));
    const std::string path = outer.file("inner/x");
    size_t n_all = 0;
    for (const fuzz::Campaign & campaign : fuzz::campaigns()) {
        Tally tally;
        const size_t n = full() ? campaign.n_full : n_quick;
        for (uint32_t seed = 0; seed < n || one; ++seed) {
            current_case() = campaign.format + ":" + std::to_string(seed);
            if (one && current_case() != one) {
                if (seed >= campaign.n_full) break;
                continue;
            }
            try {
                run_case(campaign, campaign.damage(seed), path, tally);
            } catch (const std::exception & e) {
                check::report(false, current_case().c_str(), 0, std::string("threw: ") + e.what());
            }
            ++n_all;
        }
        std::printf("%-26s %5zu read, %5zu refused; at most %.1f MB beyond the file, %.2f s\n", campaign.format.c_str(),
                    tally.n_sound, tally.n_refused, static_cast<double>(tally.n_extra_bytes) / (1 << 20),
                    tally.seconds);
    }
    CHECK(n_below(outer.path()) == 2);
    std::printf("%zu files\n", n_all);
}

namespace {

fuzz::Outcome read_pickle_file(const std::string & pickle) {
    const support::TemporaryFolder folder;
    support::write_file(folder.file("x.bin"), support::zip({{"x/data.pkl", pickle}, {"x/data/0", ""}}));
    fuzz::reset_peak();
    const fuzz::Outcome outcome = fuzz::read_torch(folder.file("x.bin"));
    const size_t n_peak = fuzz::peak_bytes();
    check::report(n_peak <= pickle.size() + max_extra_bytes, __FILE__, __LINE__, "took " + std::to_string(n_peak));
    return outcome;
}

/// A tensor without elements, kept as memo entry 1; its name is entry 0.
std::string empty_tensor_in_memo(size_t n_name) {
    return std::string("\x80\x02}(X") + support::little(n_name, 4) + std::string(n_name, 'n') + "q" +
           std::string(1, '\0') + "ctorch._utils\n_rebuild_tensor_v2\n((X" + support::little(7, 4) +
           "storagectorch\nFloatStorage\nX" + support::little(1, 4) + "0X" + support::little(3, 4) + "cpuK" +
           std::string(1, '\0') + "tQK" + std::string(1, '\0') + "K" + std::string(1, '\0') + "\x85K\1\x85tRq\1";
}

}  // namespace

TEST("a memo bomb: one long name recalled as a hundred thousand tensors") {
    std::string pickle = empty_tensor_in_memo(1 << 16);
    for (int i = 0; i < 100000; ++i) pickle += std::string("h\0h\1", 4);
    CHECK(read_pickle_file(pickle + "u.") == fuzz::Outcome::refused);
}

TEST("a pickle of nothing but objects, or of recalls, or of tiny tensors") {
    CHECK(read_pickle_file(std::string((size_t{1} << 20) + 1, '}')) == fuzz::Outcome::refused);
    std::string recalls = "]q" + std::string(1, '\0');
    for (int i = 0; i < (1 << 22); ++i) recalls += std::string("h\0", 2);
    CHECK(read_pickle_file(recalls) == fuzz::Outcome::refused);
    std::string tensors = empty_tensor_in_memo(1);
    for (int i = 0; i < 250000; ++i) {
        const std::string name = std::to_string(i);
        tensors += "\x8c" + support::little(name.size(), 1) + name + "h\1";
    }
    CHECK(read_pickle_file(tensors + "u.") == fuzz::Outcome::refused);
}

TEST("JSON whose tree would be many times its text") {
    const support::TemporaryFolder folder;
    const std::string path = folder.file("x");
    std::string list = "[";
    for (int i = 0; i < 2000000; ++i) list += "[],";
    list += "[]]";
    const auto refused = [&](fuzz::Outcome (*read)(const std::string &), const std::string & bytes) {
        support::write_file(path, bytes);
        fuzz::reset_peak();
        CHECK(read(path) == fuzz::Outcome::refused);
        const size_t n_peak = fuzz::peak_bytes();
        check::report(n_peak <= bytes.size() + max_extra_bytes, __FILE__, __LINE__, "took " + std::to_string(n_peak));
    };
    refused(fuzz::read_config, "{\"a\":" + list + "}");
    refused(fuzz::read_safetensors, support::safetensors("{\"a\":" + list + "}", ""));
    refused(fuzz::read_tokenizer, "{\"a\":" + list + "}");
    refused(fuzz::read_config, "{\"a\":\"" + std::string(size_t{40} << 20, 'x') + "\"}");
    refused(fuzz::read_tokenizer, "{\"a\":\"" + std::string(size_t{80} << 20, 'x') + "\"}");
    std::string vocabulary = R"({"model":{"type":"Unigram","vocab":[)";
    for (int i = 0; i < 3000000; ++i) vocabulary += R"(["",0],)";
    refused(fuzz::read_tokenizer, vocabulary + "]}}");
}

TEST("tokenizer_config.json nested deeper than any stack") {
    const support::TemporaryFolder folder;
    support::write_file(folder.file("tokenizer.json"), fuzz::tokenizer().dump());
    const std::string nest = std::string(1000000, '[') + std::string(1000000, ']');
    support::write_file(folder.file("tokenizer_config.json"), "{\"model_max_length\":" + nest + "}");
    CHECK(fuzz::read_tokenizer(folder.file("tokenizer.json")) == fuzz::Outcome::refused);
}

TEST("GGUF headers of nothing but keys, tensors or empty tokens") {
    const support::TemporaryFolder folder;
    const std::string path = folder.file("x");
    const auto refused = [&](const std::string & bytes) {
        support::write_file(path, bytes);
        fuzz::reset_peak();
        CHECK(fuzz::read_gguf(path) == fuzz::Outcome::refused);
        const size_t n_peak = fuzz::peak_bytes();
        check::report(n_peak <= bytes.size() + max_extra_bytes, __FILE__, __LINE__, "took " + std::to_string(n_peak));
    };
    const auto header = [](uint64_t n_tensors, uint64_t n_values) {
        return "GGUF" + support::little(3, 4) + support::little(n_tensors, 8) + support::little(n_values, 8);
    };
    constexpr uint64_t n = 1000000;
    std::string keys = header(0, n);
    for (uint64_t i = 0; i < n; ++i)
        keys += support::little(4, 8) + support::little(i, 4) + support::little(0, 4) + "x";
    refused(keys);
    std::string tensors = header(n, 0);
    for (uint64_t i = 0; i < n; ++i) {
        tensors += support::little(4, 8) + support::little(i, 4) + support::little(1, 4) + support::little(1, 8) +
                   support::little(0, 4) + support::little(0, 8);
    }
    refused(tensors + std::string(64, '\0'));
    const auto key = [](const std::string & name, int type) {
        return support::little(name.size(), 8) + name + support::little(static_cast<uint64_t>(type), 4);
    };
    constexpr uint64_t n_tokens = 10000000;
    refused(header(0, 2) + key("tokenizer.ggml.model", 8) + support::little(2, 8) + "t5" +
            key("tokenizer.ggml.tokens", 9) + support::little(8, 4) + support::little(n_tokens, 8) +
            std::string(n_tokens * 8, '\0'));
}

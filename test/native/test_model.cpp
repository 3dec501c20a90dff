// Where a loaded model's numbers lie: weights in the mapped file, and what every call reads beside them.
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "check.h"
#include "convert/convert.h"
#include "kernels/isa.h"
#include "runtime/engine.h"

using namespace altclip;

namespace {

std::string converted(const std::string & dtype) {
    ConvertOptions options;
    options.source = ALTCLIP_FIXTURES "/models/tiny";
    options.output = (std::filesystem::temp_directory_path() / ("altclip_test_model_" + dtype + ".gguf")).string();
    options.dtype = dtype;
    convert_model(options);
    return options.output;
}

#ifdef __linux__
/// Kilobytes of a mapped file that count as this process's memory.
int64_t resident(const std::string & path) {
    std::ifstream maps("/proc/self/smaps");
    int64_t n_all = 0;
    bool is_file = false;
    for (std::string line; std::getline(maps, line);) {
        const bool is_field = line.find(':') < line.find(' ');
        if (!is_field) is_file = line.find(path) != std::string::npos;
        if (is_file && line.rfind("Rss:", 0) == 0) n_all += std::stoll(line.substr(4));
    }
    return n_all;
}
#endif

}  // namespace

TEST("weights lie in the mapping; norms, biases and positions, which keep pages around them in memory, do not") {
    const Model model = load_model(converted("q8_0"), {});
    const auto is_mapped = [&](const ggml_tensor * tensor) {
        const auto * data = static_cast<const uint8_t *>(tensor->data);
        return data >= model.file->data() && data < model.file->data() + model.file->size();
    };
    const BlockWeights & block = model.text->blocks[0];
    CHECK(is_mapped(model.text->token_embd) && is_mapped(block.up.weight) && is_mapped(model.vision->patch_embd.weight));
    CHECK(!is_mapped(block.up.bias) && !is_mapped(block.ln1.weight) && !is_mapped(model.text->position_embd));
    CHECK(!is_mapped(model.vision->class_embd) && !is_mapped(model.vision->position_embd));
}

#ifdef __linux__
TEST("nothing of the file stays in memory once its weights are packed") {
    if (best_isa() == Isa::scalar) return;  // then ggml's operators read the mapping
    for (const char * dtype : {"f32", "bf16", "q8_0"}) {
        const std::string path = converted(dtype);
        const Engine engine(load_model(path, {}), "cpu", 2);
        CHECK(resident(path) <= 4);  // the last page is the file's only in part
    }
}
#endif

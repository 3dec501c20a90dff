#include "cases.h"

#include <memory>

#include "seeds.h"
#include "test_convert_support.h"

namespace fuzz {

namespace {

Campaign of_parts(const std::string & format, const char * target, const Parts & parts, size_t n_full) {
    const auto shared = std::make_shared<const Parts>(parts);
    return {format, target, [shared] { return shared->join(); },
            [shared](uint32_t seed) {
                Random random(seed);
                return mutate(*shared, random);
            },
            n_full};
}

Campaign of_json(const std::string & format, const char * target, const nlohmann::json & json, size_t n_full) {
    const auto shared = std::make_shared<const nlohmann::json>(json);
    return {format, target, [shared] { return shared->dump(); },
            [shared](uint32_t seed) {
                Random random(seed);
                return mutate(*shared, random);
            },
            n_full};
}

/// The header damaged as JSON, its length right most of the time.
Campaign of_safetensors(size_t n_full) {
    const auto shared = std::make_shared<const Safetensors>(safetensors());
    return {"safetensors", "safetensors", [shared] { return shared->join(); },
            [shared](uint32_t seed) {
                Random random(seed);
                const std::string header = mutate(shared->header, random);
                Parts parts;
                parts.counted(header, 8).raw(shared->data);
                return random() % 4 == 0 ? mutate(parts, random) : parts.join();
            },
            n_full};
}

/// The pickle damaged inside an archive that fits it, so that the damage is reached.
Campaign of_pickle(size_t n_full) {
    const auto shared = std::make_shared<const Parts>(torch_pickle());
    return {"pickle", "torch", [shared] { return torch_archive(*shared, false).join(); },
            [shared](uint32_t seed) {
                Random random(seed);
                return torch_archive(Parts().raw(mutate(*shared, random)), seed % 2 != 0).join();
            },
            n_full};
}

}  // namespace

std::vector<Campaign> campaigns() {
    return {
        of_parts("gguf f32", "gguf", gguf("f32"), 4000),
        of_parts("gguf q8_0", "gguf", gguf("q8_0"), 3000),
        of_parts("gguf packed", "gguf", gguf("q8_0", true), 3000),
        of_parts("gguf packed q4_0", "gguf", gguf("q4_0", true), 1000),
        of_parts("gguf packed bf16", "gguf", gguf("bf16", true), 1000),
        of_safetensors(4000),
        of_pickle(4000),
        of_parts("zip", "torch", torch_archive(torch_pickle(), false), 2000),
        of_parts("zip64", "torch", torch_archive(torch_pickle(), true), 2000),
        of_parts("zip deflated", "torch", deflated_archive(torch_pickle()), 3000),
        of_json("config.json", "config", config(), 2000),
        of_json("preprocessor_config.json", "preprocessor", preprocessor(), 1000),
        of_json("tokenizer.json", "tokenizer", tokenizer(), 3000),
        of_parts("sentencepiece", "tokenizer", sentencepiece(), 3000),
    };
}

}  // namespace fuzz

// What reads a hostile file: each target takes a file as the library takes it from a user, as far as it goes.
#pragma once

#include <string>

namespace fuzz {

enum class Outcome { sound, refused };

/// Each reads `path` whole and uses what it got: every tensor's values, every piece of the vocabulary. A file is
/// refused by altclip::Error; any other exception passes through, and is a bug.
struct Target {
    const char * name;
    Outcome (*read)(const std::string & path);
};

Outcome read_gguf(const std::string & path);          // the model's weights, the vocabulary; no forward
Outcome read_safetensors(const std::string & path);   // every value as f32
Outcome read_torch(const std::string & path);         // every value as f32
Outcome read_config(const std::string & path);        // as config.json
Outcome read_preprocessor(const std::string & path);  // as preprocessor_config.json
Outcome read_tokenizer(const std::string & path);     // tokenizer.json or a SentencePiece model, by content

constexpr Target targets[] = {
    {"gguf", read_gguf},     {"safetensors", read_safetensors},   {"torch", read_torch},
    {"config", read_config}, {"preprocessor", read_preprocessor}, {"tokenizer", read_tokenizer},
};

/// One text and one picture through a model that read_gguf accepted. Refused where the engine says so.
Outcome run_forward(const std::string & path);

}  // namespace fuzz

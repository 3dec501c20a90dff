// From a checkpoint folder in Hugging Face's layout, or from a config alone, to one GGUF file.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <variant>

#include "abort_flag.h"
#include "model/hparams.h"

namespace altclip {

/// Weights as transformers initialises a new model.
struct RandomSource {
    std::string config;  // the JSON of a config.json
    uint64_t seed = 0;
};

struct ConvertOptions {
    std::variant<std::string, RandomSource> source;  // a folder, UTF-8, or random weights
    std::string output;                              // UTF-8; replaced when the new file is complete
    std::string dtype = "auto";                      // a name of file_types(), or auto: the type the checkpoint has
    bool packed = false;  // linear weights as the CPU kernels read them, so that loading has nothing left to do
    std::string tower;    // text or vision: that tower alone, and the checkpoint may lack the other; empty: both
    std::string name;     // general.name; empty: the folder's name
    std::function<void(uint64_t done, uint64_t total)> on_progress;  // bytes of tensors; on the calling thread
    AbortFlag abort;
    int n_threads = 2;  // that convert, beside the calling one that writes
};

struct ConvertReport {
    std::string dtype;
    size_t n_tensors = 0;
    uint64_t n_bytes = 0;  // of the file
};

/// Streams: memory stays at a few MB a core, whatever the model's size; `packed`, at a few weight matrices a core. On
/// any error the output's folder is as before. Throws invalid_argument (dtype, tower), io, model_format, unsupported
/// and aborted, naming file and key or tensor.
ConvertReport convert_model(const ConvertOptions & options);

/// Throws invalid_argument for what is no tower's name and not empty.
void check_tower(const std::string & tower);
/// Throws unsupported, naming `source`, where a tower is named that is not there.
void check_has_tower(const std::string & tower, const Hparams & hparams, const std::string & source);

}  // namespace altclip

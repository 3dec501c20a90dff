// config.json of transformers' AltCLIPConfig or one of its towers: hyper-parameters, and the scales that random
// initialisation uses.
#pragma once

#include <string>
#include <string_view>

#include "model/hparams.h"

namespace altclip {

/// What transformers' _init_weights reads (modeling_altclip.py, modeling_utils.py).
struct Initialization {
    double text_range = 0.02;    // text_config.initializer_range
    double vision_range = 0.02;  // vision_config.initializer_range
    double vision_factor = 1.0;  // vision_config.initializer_factor
    double model_factor = 1.0;   // initializer_factor
};

struct ModelConfig {
    Hparams hparams;  // validated; one tower without projection where the config is a tower's own
    Initialization init;
};

/// `text` is the JSON, `source` its name in messages; model_type says whether it is the whole model's or, as
/// AltCLIPTextModel.save_pretrained and AltCLIPVisionModel.save_pretrained write it, a tower's. Absent fields take the
/// defaults of transformers' classes. Throws model_format (wrong type, out of range, not AltCLIP) and unsupported (an
/// activation or position embedding we lack).
ModelConfig parse_config(std::string_view text, const std::string & source);
/// From a file; `path` is UTF-8. Throws io where it cannot be read.
ModelConfig read_config(const std::string & path);

}  // namespace altclip

// tokenizer_config.json: how a tokenizer is called where the call does not say.
#pragma once

#include <string>

#include "text/vocabulary.h"

namespace altclip {

/// Sets what the file states of model_max_length, model_input_names, the sides and clean_up_tokenization_spaces; a
/// missing file, or a missing key, changes nothing. Throws model_format, naming the file and the key.
void read_tokenizer_config(const std::string & path, Vocabulary & vocabulary);

}  // namespace altclip

#include "text/tokenizer_config.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <system_error>

#include "error.h"
#include "io/mapped_file.h"

namespace altclip {

namespace {

using nlohmann::json;

json parse(const MappedFile & file, const std::string & path) {
    constexpr int max_depth = 32;  // nlohmann's dump() recurses
    constexpr size_t max_bytes = size_t{1} << 20;
    if (file.size() > max_bytes) fail(ErrorCode::model_format, path, ": ", file.size(), " bytes, expected a few KB");
    bool too_deep = false;
    const auto check_depth = [&](int depth, json::parse_event_t, json &) {
        too_deep = too_deep || depth > max_depth;
        return !too_deep;
    };
    const auto * begin = reinterpret_cast<const char *>(file.data());
    json config = json::parse(begin, begin + file.size(), check_depth, false);
    if (too_deep) fail(ErrorCode::model_format, path, ": nested deeper than ", max_depth, " levels");
    if (!config.is_object()) fail(ErrorCode::model_format, path, ": not a JSON object");
    return config;
}

/// None where it is the huge number that transformers writes for "no limit".
std::optional<int32_t> length_of(const json & value, const std::string & path) {
    const double length = value.is_number() ? value.get<double>() : 0;
    if (!(length >= 1)) {
        fail(ErrorCode::model_format, path, ": model_max_length is ", value.dump(), ", expected a positive number");
    }
    if (length > std::numeric_limits<int32_t>::max()) return std::nullopt;
    return static_cast<int32_t>(length);
}

std::vector<std::string> names_of(const json & value, const std::string & path) {
    const auto is_name = [](const json & name) {  // a GGUF's strings end at a NUL
        return name.is_string() && name.get_ref<const std::string &>().find('\0') == std::string::npos;
    };
    if (!value.is_array() || !std::all_of(value.begin(), value.end(), is_name)) {
        fail(ErrorCode::model_format, path, ": model_input_names is ", value.dump(), ", expected an array of names");
    }
    return value.get<std::vector<std::string>>();
}

}  // namespace

void read_tokenizer_config(const std::string & path, Vocabulary & vocabulary) {
    std::error_code unknown;
    if (!std::filesystem::exists(std::filesystem::u8path(path), unknown)) return;  // optional beside a tokenizer
    const MappedFile file(path);
    const json config = parse(file, path);
    const auto side = [&](const char * key, bool & left) {
        const auto found = config.find(key);
        if (found == config.end()) return;
        if (*found != "left" && *found != "right") {
            fail(ErrorCode::model_format, path, ": ", key, " is ", found->dump(), ", expected \"left\" or \"right\"");
        }
        left = *found == "left";
    };
    side("padding_side", vocabulary.pads_left);
    side("truncation_side", vocabulary.cuts_left);
    const json clean_up = config.value("clean_up_tokenization_spaces", json());
    if (!clean_up.is_null() && !clean_up.is_boolean()) {
        fail(ErrorCode::model_format, path, ": clean_up_tokenization_spaces is ", clean_up.dump(),
             ", expected true or false");
    }
    vocabulary.cleans_up = clean_up == true;
    const json length = config.value("model_max_length", json());
    if (!length.is_null()) vocabulary.model_max_length = length_of(length, path);
    const auto names = config.find("model_input_names");
    if (names != config.end()) vocabulary.model_input_names = names_of(*names, path);
}

}  // namespace altclip

#include "text/vocabulary.h"

#include <limits>
#include <nlohmann/json.hpp>

#include "error.h"
#include "io/mapped_file.h"
#include "model/gguf_file.h"

namespace altclip {

namespace {

std::string folder_of(const std::string & path) {
    const size_t slash = path.find_last_of("/\\");
    return slash == std::string::npos ? std::string() : path.substr(0, slash + 1);
}

/// None where the file or the key is missing, or where it is the huge number that transformers writes for "no limit".
std::optional<int32_t> model_max_length(const std::string & path) {
    MappedFile file;
    try {
        file = MappedFile(path);
    } catch (const Error &) {
        return std::nullopt;  // optional beside a tokenizer
    }
    constexpr int max_depth = 32;  // nlohmann's dump() below recurses
    constexpr size_t max_bytes = size_t{1} << 20;
    if (file.size() > max_bytes) fail(ErrorCode::model_format, path, ": ", file.size(), " bytes, expected a few KB");
    bool too_deep = false;
    const auto check_depth = [&](int depth, nlohmann::json::parse_event_t, nlohmann::json &) {
        too_deep = too_deep || depth > max_depth;
        return !too_deep;
    };
    const auto * begin = reinterpret_cast<const char *>(file.data());
    const nlohmann::json config = nlohmann::json::parse(begin, begin + file.size(), check_depth, false);
    if (too_deep) fail(ErrorCode::model_format, path, ": nested deeper than ", max_depth, " levels");
    if (!config.is_object()) fail(ErrorCode::model_format, path, ": not a JSON object");
    const auto found = config.find("model_max_length");
    if (found == config.end() || found->is_null()) return std::nullopt;
    const double value = found->is_number() ? found->get<double>() : 0;
    if (!(value >= 1)) {
        fail(ErrorCode::model_format, path, ": model_max_length is ", found->dump(), ", expected a positive number");
    }
    if (value > std::numeric_limits<int32_t>::max()) return std::nullopt;
    return static_cast<int32_t>(value);
}

}  // namespace

Vocabulary read_vocabulary(const std::string & path) {
    std::string head;
    {
        const MappedFile file(path);
        head.assign(reinterpret_cast<const char *>(file.data()), file.size() < 4 ? file.size() : 4);
    }
    if (head == "GGUF") return read_gguf_vocabulary(std::make_shared<const GgufFile>(path));
    Vocabulary vocabulary;
    if (!head.empty() && head[0] == '{') {
        vocabulary = read_tokenizer_json(path);
    } else if (!head.empty() && head[0] == '\n') {  // the tag of SentencePiece's first field
        vocabulary = read_sentencepiece_model(path);
    } else {
        fail(ErrorCode::model_format, path, ": neither a GGUF file, a tokenizer.json nor a SentencePiece model");
    }
    vocabulary.model_max_length = model_max_length(folder_of(path) + "tokenizer_config.json");
    return vocabulary;
}

}  // namespace altclip

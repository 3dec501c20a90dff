#include "text/vocabulary.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>

#include "error.h"
#include "io/mapped_file.h"
#include "model/gguf_file.h"

namespace altclip {

namespace {

std::string folder_of(const std::string & path) {
    const size_t slash = path.find_last_of("/\\");
    return slash == std::string::npos ? std::string() : path.substr(0, slash + 1);
}

/// Behind white space and a byte order mark. A line feed followed by a brace could begin a SentencePiece model too, so
/// the first key is asked for as well, or the end of the object.
bool begins_json_object(std::string_view bytes) {
    constexpr std::string_view white_space = " \t\r\n";
    constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
    if (bytes.substr(0, byte_order_mark.size()) == byte_order_mark) bytes.remove_prefix(byte_order_mark.size());
    const size_t brace = bytes.find_first_not_of(white_space);
    if (brace == std::string_view::npos || bytes[brace] != '{') return false;
    const size_t next = bytes.find_first_not_of(white_space, brace + 1);
    return brace == 0 || (next != std::string_view::npos && (bytes[next] == '"' || bytes[next] == '}'));
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
    bool is_gguf = false;
    bool is_json = false;
    bool is_model = false;
    {
        const MappedFile file(path);
        const std::string_view bytes(reinterpret_cast<const char *>(file.data()), file.size());
        is_gguf = bytes.substr(0, 4) == "GGUF";
        is_json = begins_json_object(bytes);
        is_model = bytes.substr(0, 1) == "\n";  // the tag of SentencePiece's first field
    }
    if (is_gguf) return read_gguf_vocabulary(std::make_shared<const GgufFile>(path));
    if (!is_json && !is_model) {
        fail(ErrorCode::model_format, path, ": neither a GGUF file, a tokenizer.json nor a SentencePiece model");
    }
    Vocabulary vocabulary = is_json ? read_tokenizer_json(path) : read_sentencepiece_model(path);
    vocabulary.model_max_length = model_max_length(folder_of(path) + "tokenizer_config.json");
    return vocabulary;
}

}  // namespace altclip

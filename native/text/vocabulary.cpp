#include "text/vocabulary.h"

#include <string_view>

#include "error.h"
#include "io/mapped_file.h"
#include "model/gguf_file.h"
#include "text/tokenizer_config.h"

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
    read_tokenizer_config(folder_of(path) + "tokenizer_config.json", vocabulary);
    return vocabulary;
}

}  // namespace altclip

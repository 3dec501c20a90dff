// tokenizer.json of the tokenizers library, for a unigram model with SentencePiece's character map.
#include <nlohmann/json.hpp>
#include <optional>

#include "error.h"
#include "io/mapped_file.h"
#include "text/base64.h"
#include "text/vocabulary.h"
#include "text/vocabulary_builder.h"

namespace altclip {

namespace {

using nlohmann::json;

constexpr int max_depth = 32;
constexpr size_t max_bytes = size_t{32} << 20;  // XLM-RoBERTa's has 9 to 17 MB
constexpr size_t max_values = size_t{1} << 18;  // beside the vocabulary: as a tree, text grows up to 50 times

class TokenizerJson {
public:
    explicit TokenizerJson(const std::string & path) : path_(path), builder_(path) {}

    Vocabulary read(const char * begin, const char * end) {
        const json root = parse(begin, end);
        if (!root.is_object() || !member(root, "model").is_object()) damaged("has no object 'model'");
        const json & model = member(root, "model");
        if (member(model, "type") != "Unigram") {
            fail(ErrorCode::unsupported, path_, ": model.type is ", member(model, "type").dump(),
                 ", expected \"Unigram\"");
        }
        if (member(model, "byte_fallback") == true) {
            fail(ErrorCode::unsupported, path_, ": model.byte_fallback is not supported");
        }
        if (builder_.size() == 0) damaged("has no tokens in 'model.vocab'");
        std::optional<std::string> charsmap;
        read_normalizer(member(root, "normalizer"), charsmap);
        if (charsmap) builder_.set_charsmap(std::move(*charsmap));
        const SpecialTokens special = read_special(member(root, "added_tokens"));
        if (member(model, "unk_id") != special.unk) {
            damaged("model.unk_id is ", member(model, "unk_id").dump(), ", <unk> has the id ", special.unk);
        }
        const bool add_dummy_prefix = adds_prefix(member(root, "pre_tokenizer"));
        Vocabulary vocabulary = std::move(builder_).build();
        vocabulary.special = special;
        vocabulary.add_dummy_prefix = add_dummy_prefix;
        vocabulary.pads_left = member(member(root, "padding"), "direction") == "Left";
        vocabulary.cuts_left = member(member(root, "truncation"), "direction") == "Left";
        return vocabulary;
    }

private:
    template <typename... Parts>
    [[noreturn]] void damaged(const Parts &... what) const {
        fail(ErrorCode::model_format, path_, ": ", what...);
    }

    static const json & member(const json & object, const char * key) {
        static const json none;
        if (!object.is_object()) return none;
        const auto found = object.find(key);
        return found == object.end() ? none : *found;
    }

    /// The document without model.vocab, whose entries go into the builder as they are read: as a tree they would take
    /// a hundred MB.
    json parse(const char * begin, const char * end) {
        if (static_cast<size_t>(end - begin) > max_bytes) {
            damaged("has ", end - begin, " bytes, expected at most ", max_bytes);
        }
        std::string section, key;  // keys of the first two levels
        size_t n_values = 0;
        const auto take = [&](int depth, json::parse_event_t event, json & value) {
            const bool in_vocabulary = section == "model" && key == "vocab" && depth >= 3;
            if (!in_vocabulary && ++n_values > max_values) damaged("holds more than ", max_values, " values");
            if (depth > max_depth) damaged("is nested more than ", max_depth, " deep");
            if (event == json::parse_event_t::key && depth == 1) section = value.get<std::string>();
            if (event == json::parse_event_t::key && depth == 2) key = value.get<std::string>();
            if (event != json::parse_event_t::array_end || depth != 3 || section != "model" || key != "vocab")
                return true;
            add(value);
            return false;
        };
        try {
            return json::parse(begin, end, take);
        } catch (const json::exception & e) {
            damaged("not JSON: ", e.what());
        }
    }

    void add(const json & entry) {
        if (entry.size() != 2 || !entry[0].is_string() || !entry[1].is_number()) {
            damaged("model.vocab[", builder_.size(), "] is not [token, score]");
        }
        builder_.add(entry[0].get_ref<const std::string &>(), entry[1].get<float>(), TokenType::normal);
    }

    /// The character map within `normalizer`; what else may stand there (runs of spaces to one, strip) SentencePiece's
    /// normaliser does by itself.
    void read_normalizer(const json & normalizer, std::optional<std::string> & charsmap) const {
        if (normalizer.is_null()) return;
        const json & type = member(normalizer, "type");
        if (type == "Sequence" && member(normalizer, "normalizers").is_array()) {
            for (const json & one : member(normalizer, "normalizers")) read_normalizer(one, charsmap);
        } else if (type == "Precompiled" && !charsmap) {
            const json & text = member(normalizer, "precompiled_charsmap");
            if (text.is_string()) charsmap = decode_base64(text.get_ref<const std::string &>());
            if (!charsmap && !text.is_null()) damaged("normalizer.precompiled_charsmap is not base64");
        } else if (type != "Replace" && type != "Strip") {
            fail(ErrorCode::unsupported, path_, ": normalizer ", type.dump(),
                 ", expected SentencePiece's \"Precompiled\"");
        }
    }

    /// Whether words get U+2581 in front.
    bool adds_prefix(const json & pre_tokenizer) const {
        if (member(pre_tokenizer, "pretokenizers").is_array()) {
            for (const json & one : member(pre_tokenizer, "pretokenizers")) {
                if (member(one, "type") == "Metaspace") return adds_prefix(one);
            }
        }
        if (member(pre_tokenizer, "type") != "Metaspace") {
            fail(ErrorCode::unsupported, path_, ": no pre_tokenizer \"Metaspace\", which XLM-RoBERTa has");
        }
        return member(pre_tokenizer, "add_prefix_space") != false && member(pre_tokenizer, "prepend_scheme") != "never";
    }

    /// <s> and its like by their text; the builder gets their types, and <mask> where the model does not count it.
    SpecialTokens read_special(const json & added) {
        SpecialTokens special;
        const std::pair<const char *, int32_t *> names[] = {{"<s>", &special.bos},
                                                            {"<pad>", &special.pad},
                                                            {"</s>", &special.eos},
                                                            {"<unk>", &special.unk},
                                                            {"<mask>", &special.mask}};
        if (!added.is_array()) damaged("has no array 'added_tokens'");
        for (const auto & [name, id] : names) *id = -1;
        for (const json & token : added) {
            const json & content = member(token, "content");
            const json & id = member(token, "id");
            if (!content.is_string() || !id.is_number_unsigned() || id.get<uint64_t>() > builder_.size()) {
                damaged("added_tokens: ", token.dump(), ", expected a content and an id of the vocabulary");
            }
            add_special(content.get_ref<const std::string &>(), id.get<size_t>(), names);
        }
        for (const auto & [name, id] : names) {
            if (*id < 0) damaged("added_tokens lacks ", name);
        }
        special.sep = special.eos;
        special.cls = special.bos;
        return special;
    }

    template <size_t N>
    void add_special(const std::string & content, size_t id, const std::pair<const char *, int32_t *> (&names)[N]) {
        for (const auto & [name, place] : names) {
            if (content != name) continue;
            const TokenType type = content == "<unk>" ? TokenType::unknown : TokenType::control;
            if (id == builder_.size()) {
                builder_.add(content, 0.0f, type);
            } else if (builder_.token(id) != content) {
                damaged("added token ", content, " has the id ", id, ", which is '", builder_.token(id), "'");
            } else {
                builder_.set_type(id, type);
            }
            *place = static_cast<int32_t>(id);
            return;
        }
        fail(ErrorCode::unsupported, path_, ": added token '", content,
             "', expected <s>, <pad>, </s>, <unk> and <mask> alone");
    }

    const std::string & path_;
    VocabularyBuilder builder_;
};

}  // namespace

Vocabulary read_tokenizer_json(const std::string & path) {
    const MappedFile file(path);
    const auto * begin = reinterpret_cast<const char *>(file.data());
    Vocabulary vocabulary = TokenizerJson(path).read(begin, begin + file.size());
    validate_vocabulary(vocabulary, path);
    return vocabulary;
}

}  // namespace altclip

// tokenizer.json as the tokenizers library writes it for XLM-RoBERTa.
#include <nlohmann/json.hpp>

#include "error.h"
#include "io/atomic_file.h"
#include "text/base64.h"
#include "text/vocabulary.h"

namespace altclip {

namespace {

using json = nlohmann::ordered_json;

json added_tokens(const Vocabulary & vocabulary) {
    const SpecialTokens & special = vocabulary.special;
    json all = json::array();
    for (const int32_t id : {special.bos, special.pad, special.eos, special.unk, special.mask}) {
        all.push_back({{"id", id},
                       {"content", vocabulary.tokens[static_cast<size_t>(id)]},
                       {"single_word", false},
                       {"lstrip", id == special.mask},
                       {"rstrip", false},
                       {"normalized", false},
                       {"special", true}});
    }
    return all;
}

json post_processor(const Vocabulary & vocabulary) {
    const auto name = [&vocabulary](int32_t id) { return vocabulary.tokens[static_cast<size_t>(id)]; };
    const auto special = [&name](int32_t id) -> json { return {{"SpecialToken", {{"id", name(id)}, {"type_id", 0}}}}; };
    const auto text = [](const char * id) -> json { return {{"Sequence", {{"id", id}, {"type_id", 0}}}}; };
    const auto entry = [&name](int32_t id) -> json {
        return {{"id", name(id)}, {"ids", json::array({id})}, {"tokens", json::array({name(id)})}};
    };
    const json cls = special(vocabulary.special.cls);
    const json sep = special(vocabulary.special.sep);
    json tokens;
    tokens[std::string(name(vocabulary.special.cls))] = entry(vocabulary.special.cls);
    tokens[std::string(name(vocabulary.special.sep))] = entry(vocabulary.special.sep);
    return {{"type", "TemplateProcessing"},
            {"single", json::array({cls, text("A"), sep})},
            {"pair", json::array({cls, text("A"), sep, sep, text("B"), sep})},
            {"special_tokens", tokens}};
}

/// The scores as doubles: what a reader rounds to f32 is the same number again.
void write_vocab(AtomicFile & file, const Vocabulary & vocabulary) {
    std::string text;
    for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
        constexpr size_t block = size_t{1} << 20;
        if (id > 0) text += ',';
        text += json::array({vocabulary.tokens[id], static_cast<double>(vocabulary.scores[id])}).dump();
        if (text.size() < block) continue;
        file.write(text.data(), text.size());
        text.clear();
    }
    file.write(text.data(), text.size());
}

bool is_special(const Vocabulary & vocabulary, size_t id) {
    const SpecialTokens & special = vocabulary.special;
    for (const int32_t one : {special.bos, special.pad, special.eos, special.unk, special.mask}) {
        if (static_cast<size_t>(one) == id) return true;
    }
    return false;
}

void check_expressible(const Vocabulary & vocabulary, const std::string & path) {
    if (!vocabulary.remove_extra_whitespaces) {
        fail(ErrorCode::unsupported, path,
             ": a tokenizer that keeps runs of spaces cannot be written as tokenizer.json");
    }
    for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
        if (vocabulary.types[id] == TokenType::normal || is_special(vocabulary, id)) continue;
        fail(ErrorCode::unsupported, path, ": token ", id, " ('", vocabulary.tokens[id],
             "') is no text's and cannot be written as tokenizer.json");
    }
}

}  // namespace

void write_tokenizer_json(const Vocabulary & vocabulary, const std::string & path) {
    check_expressible(vocabulary, path);
    const json metaspace = {{"type", "Metaspace"},
                            {"replacement", "\xE2\x96\x81"},
                            {"prepend_scheme", vocabulary.add_dummy_prefix ? "always" : "never"},
                            {"split", true}};
    json normalizer;
    if (!vocabulary.charsmap.empty()) {
        normalizer = {{"type", "Precompiled"}, {"precompiled_charsmap", encode_base64(vocabulary.charsmap)}};
    }
    const json head = {
        {"version", "1.0"},
        {"truncation", nullptr},
        {"padding", nullptr},
        {"added_tokens", added_tokens(vocabulary)},
        {"normalizer", normalizer},
        {"pre_tokenizer",
         {{"type", "Sequence"}, {"pretokenizers", json::array({{{"type", "WhitespaceSplit"}}, metaspace})}}},
        {"post_processor", post_processor(vocabulary)},
        {"decoder", metaspace},
    };
    std::string begin = head.dump();
    begin.pop_back();
    begin += R"(,"model":{"type":"Unigram","unk_id":)" + std::to_string(vocabulary.special.unk) + R"(,"vocab":[)";
    const std::string_view end = R"(],"byte_fallback":false}})";
    AtomicFile file(path);
    file.write(begin.data(), begin.size());
    write_vocab(file, vocabulary);
    file.write(end.data(), end.size());
    file.commit();
}

}  // namespace altclip

// The tokenizer against ids that SentencePiece gave (e2e/tokenizer_cases.jsonl), from both kinds of file.
#include "text/tokenizer.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "check.h"
#include "text/utf8.h"

using namespace altclip;
using nlohmann::json;

namespace {

const std::string folder = std::string(ALTCLIP_FIXTURES) + "/models/tiny-e2e/";

const Tokenizer & from_json() {
    static const Tokenizer tokenizer(read_vocabulary(folder + "tokenizer.json"), "tokenizer.json");
    return tokenizer;
}

const Tokenizer & from_model() {
    static const Tokenizer tokenizer(read_vocabulary(folder + "sentencepiece.bpe.model"), "sentencepiece.bpe.model");
    return tokenizer;
}

std::vector<json> cases() {
    std::ifstream file(std::string(ALTCLIP_FIXTURES) + "/e2e/tokenizer_cases.jsonl");
    std::vector<json> all;
    for (std::string line; std::getline(file, line);) all.push_back(json::parse(line));
    return all;
}

bool has_special(const std::string & text) {
    for (const char * token : {"<s>", "<pad>", "</s>", "<unk>", "<mask>"}) {
        if (text.find(token) != std::string::npos) return true;
    }
    return false;
}

}  // namespace

TEST("both files give one vocabulary") {
    const Vocabulary & a = from_json().vocabulary();
    const Vocabulary & b = from_model().vocabulary();
    CHECK(a.tokens == b.tokens);
    CHECK(a.scores == b.scores);
    CHECK(a.types == b.types);
    CHECK(a.charsmap == b.charsmap);
    CHECK(a.special.mask == static_cast<int32_t>(a.tokens.size()) - 1 && a.special.mask == b.special.mask);
    CHECK(a.add_dummy_prefix && b.add_dummy_prefix && a.remove_extra_whitespaces && b.remove_extra_whitespaces);
    CHECK(a.model_max_length == 77 && b.model_max_length == 77);
}

TEST("ids are SentencePiece's, special tokens literal") {
    size_t n = 0;
    for (const json & one : cases()) {
        const std::string text = one["text"];
        // where the two differ, the fast tokenizer is right about literal special tokens, SentencePiece about all else
        const bool literal = one.contains("ids_hf") && has_special(text);
        const std::vector<int32_t> expected = literal ? one["ids_hf"] : one["ids_spm"];
        for (const Tokenizer * tokenizer : {&from_json(), &from_model()}) {
            const Encoding encoding = tokenizer->encode(text, n % 2 == 0);
            std::vector<int32_t> ids = {tokenizer->vocabulary().special.bos};
            ids.insert(ids.end(), encoding.ids.begin(), encoding.ids.end());
            ids.push_back(tokenizer->vocabulary().special.eos);
            check::report(ids == expected, __FILE__, __LINE__, "ids of " + json(text).dump());
        }
        ++n;
    }
    CHECK(n > 50);
}

TEST("every token is found under its own id") {
    const Vocabulary & vocabulary = from_json().vocabulary();
    for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
        CHECK(from_json().find(vocabulary.tokens[id]) == static_cast<int32_t>(id));
    }
    CHECK(from_json().find("no such token") == -1);
    CHECK(from_json().find("") == -1);
}

TEST("text that no rule touches is normalised as the character map says") {
    const Vocabulary & vocabulary = from_json().vocabulary();
    const Charsmap charsmap(vocabulary.charsmap, "tokenizer.json");
    const Normalizer normalizer(charsmap, false, false);
    // alone, and before what may combine with it
    for (const char * behind : {"", "a", "\xCC\x81", "\xE3\x82\x99"}) {
        for (char32_t c = 0; c < 0x10000; c = c == 0xD7FF ? 0xE000 : c + 1) {
            const std::string text = utf8_of(c) + behind;
            std::string expected;
            for (std::string_view rest = text; !rest.empty();) {
                const Charsmap::Match match = charsmap.longest_prefix(rest);
                const size_t n = match.length > 0 ? match.length : utf8_length(rest[0]);
                const std::string_view piece = match.length > 0 ? match.replacement : rest.substr(0, n);
                for (const char byte : piece) {
                    if (byte == ' ') {
                        expected += space_symbol;
                    } else {
                        expected += byte;
                    }
                }
                rest.remove_prefix(n);
            }
            check::report(normalizer.normalize(text, false).bytes == expected, __FILE__, __LINE__, json(text).dump());
        }
    }
}

TEST("offsets lie in the text, in order, on characters") {
    for (const json & one : cases()) {
        const std::string text = one["text"];
        const Encoding encoding = from_json().encode(text, true);
        CHECK(encoding.offsets.size() == 2 * encoding.ids.size());
        uint32_t last = 0;
        for (size_t i = 0; i < encoding.ids.size(); ++i) {
            const uint32_t begin = encoding.offsets[2 * i];
            const uint32_t end = encoding.offsets[2 * i + 1];
            CHECK(begin >= last && begin <= end && end <= text.size());
            CHECK(is_valid_utf8(std::string_view(text).substr(begin, end - begin)));
            last = begin;
        }
    }
}

TEST("a malformed byte is U+FFFD, which the model does not know") {
    for (const char * text : {"\xff", "\xc0\x80", "\xed\xa0\x80", "a\xe2\x96", "\xf4\x90\x80\x80"}) {
        const Encoding encoding = from_json().encode(text, true);
        CHECK(!encoding.ids.empty() && encoding.offsets.back() == std::string_view(text).size());
    }
}

TEST("adversarial texts are linear and end") {
    for (const char * unit :
         {"a", " ", "<", "<mask", " <mask>", "<s>", "\xef\xb7\xba", "\xe3\x80\x80", "\xf0\x9f\x98\x80"}) {
        std::string text;
        while (text.size() < 1000000) text += unit;
        const Encoding encoding = from_json().encode(text, true);
        CHECK(encoding.offsets.size() == 2 * encoding.ids.size());
    }
    CHECK(from_json().encode("", true).ids.empty());
    const std::string zeros(1000, '\0');
    CHECK(from_json().encode(zeros, false).ids == from_model().encode(zeros, false).ids);
    CHECK_ERROR(invalid_argument, "text: got", from_json().encode(std::string((16 << 20) + 1, 'a'), false));
}

TEST("decode refuses ids that are no token's") {
    CHECK_ERROR(invalid_argument, "token id: got -1", from_json().decode({-1}, false));
    CHECK_ERROR(invalid_argument, "expected 0 to", from_json().decode({1 << 30}, true));
}

TEST("UTF-16 to UTF-8: pairs, and lone surrogates as U+FFFD") {
    CHECK(utf8_from_utf16(u"a\u00e9\u20ac\U0001F600") == "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
    const char16_t lone[] = {0xD83D, u'a', 0xDE00, 0xD83D};
    CHECK(utf8_from_utf16({lone, 4}) ==
          "\xEF\xBF\xBD"
          "a\xEF\xBF\xBD\xEF\xBF\xBD");
    std::vector<uint32_t> offsets = {0, 1, 3, 6, 10};
    utf16_offsets("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", offsets, 0);
    CHECK((offsets == std::vector<uint32_t>{0, 1, 2, 3, 5}));
}

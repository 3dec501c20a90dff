// Tokenizer files that are damaged, foreign or made to hurt: a clear error each, or a tokenizer that works.
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "check.h"
#include "temporary_folder.h"
#include "text/charsmap.h"
#include "text/free_places.h"
#include "text/tokenizer.h"
#include "text/unigram.h"

using namespace altclip;
using nlohmann::json;

namespace {

const std::string folder = std::string(ALTCLIP_FIXTURES) + "/models/tiny-e2e/";

std::string contents(const std::string & path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// A file in a folder of its own that goes with the object.
class TemporaryFile {
public:
    explicit TemporaryFile(const std::string & bytes) { write("tokenizer", bytes); }
    void write(const std::string & name, const std::string & bytes) const {
        std::ofstream(folder_.file(name), std::ios::binary)
            .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    }
    std::string path() const { return folder_.file("tokenizer"); }

private:
    support::TemporaryFolder folder_;
};

void load(const std::string & bytes) {
    const TemporaryFile file(bytes);
    const Tokenizer tokenizer(read_vocabulary(file.path()), file.path());
    tokenizer.encode("a photo of a cat\xff <mask> \xef\xb7\xba", true);
}

json tokenizer_json() {
    return json::parse(contents(folder + "tokenizer.json"));
}

}  // namespace

TEST("more tokens than any model has: the error names the file") {
    std::string vocab = "[\"a\",0]";
    for (int doublings = 0; doublings < 21; ++doublings) vocab += "," + vocab;
    const TemporaryFile file(R"({"model":{"type":"Unigram","unk_id":0,"vocab":[)" + vocab + "]}}");
    CHECK_ERROR(model_format, file.path() + ": a vocabulary of more than 1048576 tokens", read_vocabulary(file.path()));
}

TEST("truncated at any place") {
    for (const char * name : {"tokenizer.json", "sentencepiece.bpe.model"}) {
        const std::string whole = contents(folder + name);
        for (size_t i = 1; i < 40; ++i) CHECK_ERROR(model_format, "", load(whole.substr(0, whole.size() * i / 41 + 1)));
    }
}

TEST("bytes changed at random: an error or a tokenizer, never worse") {
    std::mt19937 random(7);
    for (const char * name : {"tokenizer.json", "sentencepiece.bpe.model"}) {
        const std::string whole = contents(folder + name);
        for (int round = 0; round < 60; ++round) {
            std::string bytes = whole;
            for (int i = 0; i < 1 + round % 20; ++i) bytes[random() % bytes.size()] = static_cast<char>(random());
            try {
                load(bytes);
            } catch (const Error & e) {
                CHECK(e.code() == ErrorCode::model_format || e.code() == ErrorCode::unsupported);
            }
        }
    }
}

TEST("foreign files") {
    CHECK_ERROR(model_format, "neither a GGUF file, a tokenizer.json nor a SentencePiece model", load(""));
    CHECK_ERROR(model_format, "neither", load("hello"));
    CHECK_ERROR(model_format, "has no object 'model'", load("{}"));
    CHECK_ERROR(model_format, "nested more than", load("{\"a\":" + std::string(1000000, '[')));
    CHECK_ERROR(model_format, "ends inside", load("GGUF"));
    CHECK_ERROR(model_format, "SentencePiece", load("\n"));
    CHECK_ERROR(model_format, "damaged", load("\n\xff\xff\xff\xff\xff\xff\xff\xff\x7f"));
    CHECK_ERROR(io, "no-such-file", read_vocabulary(folder + "no-such-file"));
}

TEST("white space or a byte order mark before tokenizer.json") {
    const std::string whole = contents(folder + "tokenizer.json");
    const Vocabulary plain = read_vocabulary(folder + "tokenizer.json");
    for (const char * before : {"\xEF\xBB\xBF", " ", "\n", "\r\n\t", "\xEF\xBB\xBF\n"}) {
        const TemporaryFile file(before + whole);
        CHECK(read_vocabulary(file.path()).tokens == plain.tokens);
    }
    CHECK_ERROR(model_format, "SentencePiece", load("\n{"));
}

TEST("tokenizer.json that says something else") {
    const auto changed = [](const char * pointer, const json & value) {
        json root = tokenizer_json();
        root[json::json_pointer(pointer)] = value;
        return root.dump();
    };
    CHECK_ERROR(unsupported, "model.type", load(changed("/model/type", "BPE")));
    CHECK_ERROR(unsupported, "byte_fallback", load(changed("/model/byte_fallback", true)));
    CHECK_ERROR(model_format, "unk_id", load(changed("/model/unk_id", 5)));
    CHECK_ERROR(model_format, "model.vocab[7]", load(changed("/model/vocab/7", json::array({"x"}))));
    CHECK_ERROR(model_format, "there twice",
                load(changed("/model/vocab/8/0", tokenizer_json()["model"]["vocab"][9][0])));
    CHECK_ERROR(model_format, "token 8 has 0 bytes", load(changed("/model/vocab/8/0", "")));
    CHECK_ERROR(model_format, "token 8 has 9000 bytes", load(changed("/model/vocab/8/0", std::string(9000, 'a'))));
    CHECK_ERROR(model_format, "score of token 8", load(changed("/model/vocab/8/1", 1e300)));
    CHECK_ERROR(model_format, "added_tokens lacks", load(changed("/added_tokens", json::array())));
    CHECK_ERROR(unsupported, "added token '[MASK]'", load(changed("/added_tokens/4/content", "[MASK]")));
    CHECK_ERROR(model_format, "added_tokens", load(changed("/added_tokens/4/id", 1u << 31)));
    CHECK_ERROR(unsupported, "Lowercase", load(changed("/normalizer", {{"type", "Lowercase"}})));
    CHECK_ERROR(model_format, "base64", load(changed("/normalizer/precompiled_charsmap", "not base64!")));
    CHECK_ERROR(unsupported, "Metaspace", load(changed("/pre_tokenizer", nullptr)));
}

TEST("model_max_length beside the tokenizer") {
    const TemporaryFile file(contents(folder + "sentencepiece.bpe.model"));
    CHECK(!read_vocabulary(file.path()).model_max_length);
    file.write("tokenizer_config.json", "{\"model_max_length\": 1000000000000000019884624838656}");
    CHECK(!read_vocabulary(file.path()).model_max_length);
    file.write("tokenizer_config.json", "{\"model_max_length\": 512}");
    CHECK(read_vocabulary(file.path()).model_max_length == 512);
    for (const char * value : {"0", "-3", "\"many\"", "[]"}) {
        file.write("tokenizer_config.json", std::string("{\"model_max_length\": ") + value + "}");
        CHECK_ERROR(model_format, "expected a positive number", read_vocabulary(file.path()));
    }
    file.write("tokenizer_config.json", "no JSON");
    CHECK_ERROR(model_format, "tokenizer_config.json", read_vocabulary(file.path()));
}

TEST("a character map that points anywhere stays in its bytes") {
    CHECK_ERROR(model_format, "claims an index", Charsmap(std::string("\xff\xff\xff\xff\0", 5), "f"));
    CHECK_ERROR(model_format, "multiple of 4", Charsmap(std::string("\1\0\0\0ab\0", 7), "f"));
    CHECK_ERROR(model_format, "inside a replacement", Charsmap(std::string("\4\0\0\0abcdx", 9), "f"));
    CHECK_ERROR(model_format, "replacement of more than",
                Charsmap(std::string("\4\0\0\0abcd", 8) + std::string(5000, 'x') + '\0', "f"));
    std::mt19937 random(7);
    for (int round = 0; round < 200; ++round) {
        std::string blob("\0\4\0\0", 4);
        for (int i = 0; i < 1024; ++i) blob += static_cast<char>(random() % (round % 2 == 0 ? 256 : 8));
        blob += std::string("ab\0", 3);
        const Charsmap charsmap(blob, "f");
        for (int i = 0; i < 256; ++i) {
            const std::string text(300, static_cast<char>(i));
            CHECK(charsmap.longest_prefix(text).length <= text.size());
        }
    }
}

namespace {

/// The ids of a few texts with the trie that `change` makes of the stored one.
std::vector<int32_t> ids_with_trie(const std::function<void(std::string &)> & change) {
    static const Vocabulary read = read_vocabulary(folder + "tokenizer.json");
    Vocabulary vocabulary = read;
    std::string trie = UnigramModel(vocabulary, "tokenizer.json").stored_trie();
    change(trie);
    vocabulary.trie = trie;
    const Tokenizer tokenizer(std::move(vocabulary), "stored");
    return tokenizer.encode("a photo of a cat, \xe9\xab\x98\xe5\x85\xb4 <mask> internationalisation \xef\xb7\xba", true)
        .ids;
}

}  // namespace

TEST("a stored trie gives the ids of one that was built") {
    const Tokenizer built(read_vocabulary(folder + "tokenizer.json"), "tokenizer.json");
    const Encoding expected =
        built.encode("a photo of a cat, \xe9\xab\x98\xe5\x85\xb4 <mask> internationalisation \xef\xb7\xba", true);
    CHECK(ids_with_trie([](std::string &) {}) == expected.ids);
    // of other tokens or scores: not used
    CHECK(ids_with_trie([](std::string & trie) { trie = std::string(8, '\7') + trie.substr(8, 500); }) == expected.ids);
}

TEST("a stored trie that goes in circles: no walk is longer than a token may be") {
    static const Vocabulary read = read_vocabulary(folder + "tokenizer.json");
    Vocabulary vocabulary = read;
    const std::string stored = UnigramModel(vocabulary, "tokenizer.json").stored_trie();
    std::string trie = stored.substr(0, 8) + std::string(256 * 12, '\0');  // 256 nodes whose children are themselves
    for (uint32_t i = 0; i < 256; ++i) {
        const uint32_t packed = 5 << 9 | i;
        std::memcpy(trie.data() + 8 + 12 * i + 4, &packed, sizeof(packed));
    }
    vocabulary.trie = trie;
    const Tokenizer tokenizer(std::move(vocabulary), "stored");
    CHECK(tokenizer.find(std::string(max_token_bytes, 'a')) == 5);
    CHECK(tokenizer.find(std::string(max_token_bytes + 1, 'a')) == -1);
    CHECK(!tokenizer.encode(std::string(10000, 'a'), true).ids.empty());
}

TEST("a damaged stored trie: an error or a tokenizer that stays inside it") {
    CHECK_ERROR(model_format, "has 12 bytes", ids_with_trie([](std::string & trie) { trie.resize(20); }));
    CHECK_ERROR(model_format, "bytes", ids_with_trie([](std::string & trie) { trie.pop_back(); }));
    CHECK_ERROR(model_format, "children out of place at node 0",
                ids_with_trie([](std::string & trie) { trie[8 + 3] = 2; }));
    CHECK_ERROR(model_format, "has the id 8388606 at node 1", ids_with_trie([](std::string & trie) {
                    trie.replace(8 + 12 + 4, 4, std::string("\0\xfc\xff\xff", 4));
                }));
    CHECK_ERROR(model_format, "has no root", ids_with_trie([](std::string & trie) {
                    trie.replace(8 + 4, 4, std::string("\0\x0b\0\0", 4));  // token 5, without children
                }));
    std::mt19937 random(11);
    for (int round = 0; round < 200; ++round) {
        try {
            ids_with_trie([&](std::string & trie) {
                for (int i = 0; i < 1 + round % 20; ++i)
                    trie[8 + random() % (trie.size() - 8)] = static_cast<char>(random());
            });
        } catch (const Error & e) {
            CHECK(e.code() == ErrorCode::model_format);
        }
    }
}

TEST("places of a double array: a base for each node alone, a place for each child alone") {
    std::mt19937 random(13);
    FreePlaces places;
    std::set<uint32_t> bases;
    std::set<uint32_t> taken;
    size_t n_children = 0;
    for (int round = 0; round < 3000; ++round) {
        std::set<uint8_t> children;
        const size_t n = round % 50 == 0 ? 256 : 1 + random() % (round % 7 == 0 ? 60 : 3);
        while (children.size() < n) children.insert(static_cast<uint8_t>(random()));
        const std::vector<uint8_t> bytes(children.begin(), children.end());
        const uint32_t base = places.take(bytes.data(), bytes.size());
        CHECK(bases.insert(base).second);
        for (const uint8_t byte : bytes) CHECK((base ^ byte) < places.size() && taken.insert(base ^ byte).second);
        n_children += n;
    }
    CHECK(taken.size() == n_children && n_children > places.size() / 2);
}

// Damaged, foreign and lying GGUF files: each is an error that says what is wrong, whatever byte is bad.
#include <cstdint>
#include <cstring>
#include <fstream>
#include <random>

#include "check.h"
#include "model/gguf_file.h"
#include "model/model.h"
#include "temporary_folder.h"

using namespace altclip;

namespace {

const support::TemporaryFolder folder;

/// The bytes of a GGUF file, part by part.
struct Bytes {
    std::string text;

    template <typename T>
    Bytes & number(T value) {
        text.append(reinterpret_cast<const char *>(&value), sizeof(value));
        return *this;
    }
    Bytes & string(const std::string & value) {
        number<uint64_t>(value.size());
        text += value;
        return *this;
    }
    Bytes & header(uint64_t n_tensors, uint64_t n_values, uint32_t version = 3) {
        text += "GGUF";
        return number(version).number(n_tensors).number(n_values);
    }
    Bytes & tensor(const std::string & name, std::vector<uint64_t> ne, int32_t type, uint64_t offset) {
        string(name).number(static_cast<uint32_t>(ne.size()));
        for (const uint64_t n : ne) number(n);
        return number(type).number(offset);
    }
    Bytes & data(size_t n_bytes) {
        text.resize((text.size() + 31) / 32 * 32 + n_bytes, '\1');
        return *this;
    }
    GgufFile open() const {
        const std::string path = folder.file("model.gguf");
        std::ofstream(path, std::ios::binary) << text;
        return GgufFile(path);
    }
};

Bytes sample() {
    Bytes b;
    b.header(1, 4);
    b.string("general.architecture").number<int32_t>(8).string("altclip");
    b.string("a.count").number<int32_t>(4).number<uint32_t>(7);
    b.string("a.list").number<int32_t>(9).number<int32_t>(6).number<uint64_t>(2).number(1.5f).number(-2.0f);
    b.string("a.words").number<int32_t>(9).number<int32_t>(8).number<uint64_t>(2).string("x").string("");
    b.tensor("t", {4, 2}, 0, 0);
    b.data(32);
    return b;
}

}  // namespace

TEST("a sound file gives its values and tensors") {
    const GgufFile file = sample().open();
    CHECK(file.string("general.architecture") == "altclip");
    CHECK(file.u32("a.count") == 7);
    CHECK((file.f32s("a.list") == std::vector<float>{1.5f, -2.0f}));
    CHECK((file.strings("a.words") == std::vector<std::string_view>{"x", ""}));
    const GgufTensor * tensor = file.find("t");
    CHECK(tensor && tensor->n_bytes == 32 && tensor->ne[0] == 4 && tensor->ne[1] == 2 && tensor->data[0] == 1);
    CHECK(file.find("u") == nullptr);
}

TEST("a value of another type, or none") {
    const GgufFile file = sample().open();
    CHECK_ERROR(model_format, "'a.count' is of type u32, expected str", file.string("a.count"));
    CHECK_ERROR(model_format, "'a.list' is of type array of f32, expected array of i32", file.i32s("a.list"));
    CHECK_ERROR(model_format, "'b' is missing", file.u32("b"));
}

TEST("foreign and lying headers") {
    const auto lies = [](const Bytes & bytes, const char * part) { CHECK_ERROR(model_format, part, bytes.open()); };
    Bytes text;
    text.text = "Not a model, a letter.";
    lies(text, "does not begin with 'GGUF'");
    lies(Bytes(), "does not begin with 'GGUF'");
    lies(Bytes().header(0, 0, 99), "version 99");
    lies(Bytes().header(uint64_t{1} << 60, 0), "tensors");
    lies(Bytes().header(0, uint64_t{1} << 60), "keys");
    lies(Bytes().header(0, 1).number(uint64_t{1} << 40).data(64), "ends inside a key");
    lies(Bytes().header(0, 1).string("k").number<int32_t>(77).data(64), "unknown type 77");
    lies(Bytes().header(0, 1).string("k").number<int32_t>(9).number<int32_t>(6).number(uint64_t{1} << 62).data(64),
         "elements");
    lies(Bytes().header(0, 1).string("k").number<int32_t>(9).number<int32_t>(8).number(uint64_t{1} << 62).data(64),
         "ends inside a string");
    lies(Bytes().header(1, 0).tensor("t", {4}, 0, 0).data(15), "beyond the end");
    lies(Bytes().header(1, 0).tensor("t", {4}, 0, 64).data(64), "beyond the end");
    lies(Bytes().header(1, 0).tensor("t", {4}, 0, 1).data(64), "unaligned");
    lies(Bytes().header(1, 0).tensor("t", {0}, 0, 0).data(64), "dimension of 0");
    lies(Bytes().header(1, 0).tensor("t", {1u << 30, 1u << 30, 1u << 30}, 0, 0).data(64), "dimension of");
    lies(Bytes().header(1, 0).tensor("t", {4, 1, 1, 1, 1}, 0, 0).data(64), "5 dimensions");
    lies(Bytes().header(1, 0).tensor("t", {4}, 4, 0).data(64), "unknown type 4");
    lies(Bytes().header(1, 0).tensor("t", {33}, 8, 0).data(64), "not a multiple of 32");
    lies(Bytes().header(2, 0).tensor("t", {4}, 0, 0).tensor("t", {4}, 0, 0).data(64), "'t' twice");
    lies(Bytes().header(2, 0).tensor("t", {4}, 0, 0).tensor("u", {8}, 0, 0).data(32), "'u' overlaps another one");
    lies(Bytes().header(1, 0).tensor(std::string(64, 'n'), {4}, 0, 0).data(64), "64 bytes");
}

TEST("every truncation of a sound file is an error") {
    const Bytes whole = sample();
    for (size_t n = 0; n < whole.text.size(); ++n) {
        Bytes part;
        part.text = whole.text.substr(0, n);
        CHECK_ERROR(model_format, "model.gguf", part.open());
    }
}

TEST("mutated bytes never do harm") {
    std::mt19937 random(7);
    for (int i = 0; i < 2000; ++i) {
        Bytes bytes = sample();
        for (int n = 0; n < 3; ++n) bytes.text[random() % bytes.text.size()] = static_cast<char>(random());
        try {
            const GgufFile file = bytes.open();
            for (const GgufTensor & tensor : file.tensors())
                CHECK(tensor.data + tensor.n_bytes <= file.data() + file.size());
        } catch (const Error & e) {
            CHECK(e.code() == ErrorCode::model_format);
        }
    }
}

TEST("a model file without what a model needs") {
    const std::string path = folder.file("model.gguf");
    sample().open();
    CHECK_ERROR(model_format, "'altclip.projection_dim' is missing", load_model(path, {}));
    CHECK_ERROR(io, "nowhere.gguf", load_model(folder.file("nowhere.gguf"), {}));
}

// The readers of safetensors and torch.save's archives, against files made byte by byte, most of them hostile.
#include <vector>

#include "check.h"
#include "convert/checkpoint.h"
#include "convert/json_file.h"
#include "convert/pickle.h"
#include "convert/safetensors.h"
#include "convert/torch_file.h"
#include "test_convert_support.h"

using namespace altclip;
using support::floats;
using support::little;
using support::read_all;
using support::TemporaryFolder;

namespace {

std::unique_ptr<WeightSource> safetensors_of(const std::string & header, const std::string & data) {
    const TemporaryFolder folder;
    support::write_file(folder.file("x.safetensors"), support::safetensors(header, data));
    return open_safetensors(folder.file("x.safetensors"));
}

// opcodes of pickle protocol 2, as torch.save writes them
std::string text(const std::string & value) {
    return "X" + little(value.size(), 4) + value;
}
std::string number(int64_t value) {
    return "\x8a\x08" + little(static_cast<uint64_t>(value), 8);
}
std::string tuple(const std::vector<int64_t> & values) {
    std::string bytes = "(";
    for (const int64_t value : values) bytes += number(value);
    return bytes + "t";
}
std::string tensor(const std::string & storage, int64_t n_stored, int64_t offset, const std::vector<int64_t> & shape,
                   const std::vector<int64_t> & strides) {
    return "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + "ctorch\n" + storage + "\n" + text("0") +
           text("cpu") + number(n_stored) + "tQ" + number(offset) + tuple(shape) + tuple(strides) +
           "\x89"
           "ccollections\nOrderedDict\n)RtR";
}
std::string state_dict(const std::vector<std::pair<std::string, std::string>> & items) {
    std::string bytes = "\x80\x02}(";
    for (const auto & [key, value] : items) bytes += text(key) + value;
    return bytes + "u.";
}

std::unique_ptr<WeightSource> torch_of(const std::string & pickle, const std::string & storage, int method = 0) {
    const TemporaryFolder folder;
    support::write_file(folder.file("x.bin"), support::zip({{"x/data.pkl", pickle}, {"x/data/0", storage}}, method));
    return open_torch_file(folder.file("x.bin"));
}

}  // namespace

TEST("safetensors: values of every floating-point type") {
    const auto source = safetensors_of(
        R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F16","shape":[2,1],"data_offsets":[8,12]},)"
        R"("c":{"dtype":"BF16","shape":[1],"data_offsets":[12,14]},"d":{"dtype":"F64","shape":[],"data_offsets":[14,22]},)"
        R"("__metadata__":{"format":"pt"}})",
        floats({1.5f, -2.0f}) + little(0x3c00, 2) + little(0xc000, 2) + little(0x4040, 2) +
            little(0x4010000000000000, 8));
    CHECK(source->tensors().size() == 4);
    CHECK((read_all(*source, 0) == std::vector<float>{1.5f, -2.0f}));
    CHECK((read_all(*source, 1) == std::vector<float>{1.0f, -2.0f}));
    CHECK((read_all(*source, 2) == std::vector<float>{3.0f}));
    CHECK((read_all(*source, 3) == std::vector<float>{4.0f}));
}

TEST("safetensors: headers that lie") {
    const auto one = [](const std::string & entry) { return R"({"a":)" + entry + "}"; };
    const std::string data(8, '\0');
    const auto open = [&](const std::string & header) { safetensors_of(header, data); };
    CHECK_ERROR(model_format, "is it complete", open(one(R"({"dtype":"F32","shape":[4],"data_offsets":[0,16]})")));
    CHECK_ERROR(model_format, "does not fill", open(one(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})")));
    CHECK_ERROR(model_format, "data_offsets [8, 0]", open(one(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})")));
    CHECK_ERROR(model_format, "does not fill",
                open(one(R"({"dtype":"F32","shape":[281474976710656,281474976710656],"data_offsets":[0,8]})")));
    CHECK_ERROR(model_format, "a.shape is", open(one(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})")));
    CHECK_ERROR(model_format, "a.shape is", open(one(R"({"dtype":"F32","shape":[1e300],"data_offsets":[0,8]})")));
    CHECK_ERROR(model_format, "unknown dtype 'F31'", open(one(R"({"dtype":"F31","shape":[2],"data_offsets":[0,8]})")));
    CHECK_ERROR(model_format, "a is 3", open(one("3")));
    CHECK_ERROR(model_format, "not a JSON object", open("[1]"));
    CHECK_ERROR(model_format, "not valid JSON", open("{"));
    CHECK_ERROR(model_format, "accounts for 4", open(one(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})")));
    CHECK_ERROR(
        model_format, "overlap or leave a gap",
        open(
            R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})"));
    CHECK_ERROR(
        model_format, "'a' stands there twice",
        open(
            R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})"));
    CHECK_ERROR(model_format, "nested deeper", open(std::string(100000, '[')));
}

TEST("safetensors: a truncated file at every length") {
    const std::string whole =
        support::safetensors(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", std::string(8, '\0'));
    const TemporaryFolder folder;
    for (size_t n = 0; n < whole.size(); ++n) {
        support::write_file(folder.file("x"), whole.substr(0, n));
        CHECK_ERROR(model_format, folder.file("x"), open_safetensors(folder.file("x")));
    }
    support::write_file(folder.file("x"), little(~uint64_t{0}, 8) + "{}");
    CHECK_ERROR(model_format, "claims a header of", open_safetensors(folder.file("x")));
}

TEST("torch: shared storage, offsets, strides, halves and parameters") {
    const std::string storage = floats({0, 1, 2, 3, 4, 5});
    const auto source = torch_of(
        state_dict({{"whole", tensor("FloatStorage", 6, 0, {2, 3}, {3, 1})},
                    {"transposed", tensor("FloatStorage", 6, 0, {3, 2}, {1, 3})},
                    {"tail", tensor("FloatStorage", 6, 4, {2}, {1})},
                    {"parameter", "ctorch._utils\n_rebuild_parameter\n(" + tensor("FloatStorage", 6, 5, {}, {}) +
                                      "\x88"
                                      "ccollections\nOrderedDict\n)RtR"}}),
        storage);
    CHECK((read_all(*source, 0) == std::vector<float>{0, 1, 2, 3, 4, 5}));
    CHECK((read_all(*source, 1) == std::vector<float>{0, 3, 1, 4, 2, 5}));
    CHECK((read_all(*source, 2) == std::vector<float>{4, 5}));
    CHECK((read_all(*source, 3) == std::vector<float>{5}));
    CHECK(source->tensors()[3].name == "parameter" && source->tensors()[3].shape.empty());
    float middle[2];
    source->read(1, 3, 2, middle);
    CHECK(middle[0] == 4 && middle[1] == 2);

    const auto halves = torch_of(state_dict({{"h", tensor("HalfStorage", 2, 0, {2}, {1})}}), little(0xc0003c00, 4));
    CHECK((read_all(*halves, 0) == std::vector<float>{1.0f, -2.0f}));
    const auto bhalves = torch_of(state_dict({{"h", tensor("BFloat16Storage", 1, 0, {1}, {1})}}), little(0x4040, 2));
    CHECK((read_all(*bhalves, 0) == std::vector<float>{3.0f}));
    const auto longs = torch_of(state_dict({{"h", tensor("LongStorage", 1, 0, {1}, {1})}}), little(7, 8));
    CHECK(longs->tensors()[0].type == SourceType::other);
}

TEST("torch: archives beyond 4 GB have long fields") {
    const TemporaryFolder folder;
    const std::string pickle = state_dict({{"a", tensor("FloatStorage", 2, 0, {2}, {1})}});
    const std::string whole = support::zip64({{"x/data.pkl", pickle}, {"x/data/0", floats({7, 8})}});
    support::write_file(folder.file("x.bin"), whole);
    CHECK((read_all(*open_torch_file(folder.file("x.bin")), 0) == std::vector<float>{7, 8}));
    for (size_t i = 0; i < whole.size(); ++i) {
        std::string damaged = whole;
        damaged[i] = static_cast<char>(damaged[i] ^ '\xff');
        support::write_file(folder.file("x.bin"), damaged);
        try {
            open_torch_file(folder.file("x.bin"));
        } catch (const Error &) {
        }
    }
}

TEST("torch: a pickle that would run something") {
    CHECK_ERROR(unsupported, "'os.system'",
                torch_of("\x80\x02"
                         "cos\nsystem\n" +
                             text("true") + "\x85R.",
                         ""));
    CHECK_ERROR(unsupported, "'posix.system'", torch_of("\x80\x04" + text("posix") + text("system") + "\x93.", ""));
    CHECK_ERROR(unsupported, "'os.system'", torch_of("(" + text("true") + "ios\nsystem\n.", ""));
    CHECK_ERROR(unsupported, "opcode INST", torch_of("(icollections\nOrderedDict\n.", ""));
    CHECK_ERROR(unsupported, "'builtins.eval'", torch_of(state_dict({{"a", "cbuiltins\neval\n"}}), ""));
    CHECK_ERROR(unsupported, "'builtins.getattr'",
                torch_of("\x80\x04\x8c\x08"
                         "builtins\x8c\x07getattr\x93.",
                         ""));
    CHECK_ERROR(unsupported, "opcode OBJ", torch_of("(ctorch\nFloatStorage\no.", ""));
    CHECK_ERROR(unsupported, "opcode NEWOBJ", torch_of("ctorch\nFloatStorage\n)\x81.", ""));
    CHECK_ERROR(unsupported, "opcode NEWOBJ_EX", torch_of("ctorch\nFloatStorage\n)}\x92.", ""));
    CHECK_ERROR(unsupported, "opcode EXT1", torch_of("\x82\x01.", ""));
    CHECK_ERROR(unsupported, "opcode PERSID", torch_of("Pos.system\n.", ""));
    CHECK_ERROR(unsupported, "opcode 66 ", torch_of("B" + little(1, 4) + "a.", ""));

    const TemporaryFolder folder;
    const std::string marker = folder.file("marker");
    CHECK_ERROR(unsupported, "'posix.system'", torch_of("cposix\nsystem\n" + text("touch " + marker) + "\x85R.", ""));
    CHECK(folder.n_files() == 0);
}

TEST("torch: pickles that recall themselves, double at every step or count beyond their bytes") {
    const auto open = [](const std::string & pickle) { torch_of("\x80\x02" + pickle, ""); };
    const std::string opened = "]q\x01", recalled = "h\x01";
    CHECK_ERROR(model_format, "holds no state dict", open(opened + recalled + "a."));
    CHECK_ERROR(model_format, "not a string", open("}q\x01(" + recalled + recalled + "u."));
    CHECK_ERROR(model_format, "'a': expected a tensor", open("}q\x01" + text("a") + recalled + "s."));
    CHECK_ERROR(model_format, "a parameter inside a parameter",
                open("}" + text("a") + "ctorch._utils\n_rebuild_parameter\nq\x02h\x02)\x85R\x85Rs."));
    // ten times itself, 200 levels deep: 10^200 values for whoever follows them
    std::string bomb = "]q";
    bomb += '\0';
    for (int level = 1; level < 200; ++level) {
        std::string before = "h";
        before += static_cast<char>(level - 1);
        bomb += "](";
        for (int i = 0; i < 10; ++i) bomb += before;
        bomb += "eq";
        bomb += static_cast<char>(level);
    }
    CHECK_ERROR(model_format, "values, expected one", open(bomb + "."));
    CHECK_ERROR(model_format, "'a': expected a tensor", open("}" + text("a") + "(" + bomb + "ts."));
    std::string stack = opened;
    for (int i = 0; i <= 1 << 20; ++i) stack += recalled;
    CHECK_ERROR(model_format, "more than 1048576 values wait on its stack", open(stack + "."));
    CHECK_ERROR(model_format, "an integer is too long", open("\x8a\xff" + std::string(255, '\x7f') + "."));
    CHECK_ERROR(model_format, "middle of an opcode", open("\x8a\xff."));
    CHECK_ERROR(model_format, "recalls what it never stored", open("j" + little(0xffffffff, 4) + "."));
    CHECK_ERROR(unsupported, "opcode 141 ", open("\x8d" + little(UINT64_MAX, 8) + "a."));  // BINUNICODE8
}

TEST("torch: tensors outside their storage") {
    const std::string storage = floats({0, 1, 2, 3, 4, 5});
    const auto open = [&](int64_t offset, const std::vector<int64_t> & shape, const std::vector<int64_t> & strides) {
        torch_of(state_dict({{"a", tensor("FloatStorage", 6, offset, shape, strides)}}), storage);
    };
    open(0, {0, 9}, {9, 1});
    CHECK_ERROR(model_format, "outside its storage", open(1, {2, 3}, {3, 1}));
    CHECK_ERROR(model_format, "outside its storage", open(0, {2, 2}, {5, 1}));
    CHECK_ERROR(model_format, "outside its storage", open(-1, {2}, {1}));
    CHECK_ERROR(model_format, "outside its storage", open(INT64_MAX, {2}, {1}));
    CHECK_ERROR(model_format, "outside its storage", open(0, {INT64_MAX}, {1}));
    CHECK_ERROR(model_format, "outside its storage", open(0, {2}, {INT64_MAX}));
    CHECK_ERROR(model_format, "outside its storage", open(0, {1 << 30}, {0}));
    CHECK_ERROR(model_format, "shape is damaged", open(0, {-1}, {1}));
    CHECK_ERROR(model_format, "damaged", open(0, {1}, {}));
    CHECK_ERROR(model_format, "expected 7 elements",
                torch_of(state_dict({{"a", tensor("FloatStorage", 7, 0, {6}, {1})}}), storage));
}

TEST("torch: damaged pickles") {
    const auto open = [](const std::string & pickle) { torch_of(pickle, ""); };
    CHECK_ERROR(model_format, "middle of an opcode", open(""));
    CHECK_ERROR(model_format, "a value is missing", open("R."));
    CHECK_ERROR(model_format, "a mark is missing", open("t."));
    CHECK_ERROR(model_format, "never stored", open("h\x05."));
    CHECK_ERROR(model_format, "without a value", open("}(Nu."));
    CHECK_ERROR(model_format, "no state dict", open("]."));
    CHECK_ERROR(model_format, "not a string", open("}NNs."));
    CHECK_ERROR(model_format, "expected a tensor", open(state_dict({{"epoch", number(3)}})));
    CHECK_ERROR(model_format, "middle of an opcode", open("X" + little(0xffffffff, 4) + "a."));
    CHECK_ERROR(unsupported, "more than 131072 objects", open(std::string((size_t{1} << 17) + 1, '}')));
    CHECK_ERROR(unsupported, "at most 4194304", open(std::string((size_t{4} << 20) + 1, 'N')));
    // a tower of lists deeper than any stack
    std::string tower(100000, ']');
    tower += std::string(99999, 'a') + ".";
    CHECK_ERROR(model_format, "no state dict", open(tower));
}

TEST("torch: other files under that name") {
    const TemporaryFolder folder;
    const auto open = [&](const std::string & bytes) {
        support::write_file(folder.file("x.bin"), bytes);
        open_torch_file(folder.file("x.bin"));
    };
    CHECK_ERROR(unsupported, "re-save it in Python",
                open("\x80\x02\x8a\x0al\xfc\x9c"
                     "F\xf9 j\xa8P\x19."));
    CHECK_ERROR(model_format, "does not begin with 'PK'", open("version https://git-lfs.github.com/spec/v1"));
    CHECK_ERROR(model_format, "does not begin with 'PK'", open(""));
    CHECK_ERROR(model_format, "no directory", open("PK"));
    CHECK_ERROR(model_format, "no data.pkl", open(support::zip({{"readme.txt", "hello"}})));
    CHECK_ERROR(unsupported, "other than deflate", open(support::zip({{"x/data.pkl", "."}}, 12)));
    CHECK_ERROR(model_format, "ends early", open(support::zip({{"x/data.pkl", "\x01"}}, 8)));
    CHECK_ERROR(model_format, "twice", open(support::zip({{"x/data.pkl", "."}, {"x/data.pkl", "."}})));
    CHECK_ERROR(model_format, "more than one", open(support::zip({{"x/data.pkl", "."}, {"y/data.pkl", "."}})));
    CHECK_ERROR(unsupported, "byte order", open(support::zip({{"x/data.pkl", "}."}, {"x/byteorder", "big"}})));
}

TEST("torch: a real file with any byte of its archive structure damaged never crashes") {
    const std::string whole = support::zip(
        {{"x/data.pkl", state_dict({{"a", tensor("FloatStorage", 2, 0, {2}, {1})}})}, {"x/data/0", floats({1, 2})}});
    const TemporaryFolder folder;
    for (size_t i = 0; i < whole.size(); ++i) {
        for (const char change : {'\x01', '\x80', '\xff'}) {
            std::string damaged = whole;
            damaged[i] = static_cast<char>(damaged[i] ^ change);
            support::write_file(folder.file("x.bin"), damaged);
            try {
                const auto source = open_torch_file(folder.file("x.bin"));
                for (size_t t = 0; t < source->tensors().size(); ++t) {
                    if (source->tensors()[t].type != SourceType::other) read_all(*source, t);
                }
            } catch (const Error &) {
            }
        }
    }
}

TEST("sharded: an index that points elsewhere") {
    const TemporaryFolder folder;
    const auto open = [&](const std::string & map) {
        support::write_file(folder.file("model.safetensors.index.json"), R"({"weight_map":)" + map + "}");
        open_checkpoint(folder.path());
    };
    support::write_file(folder.file("a.safetensors"),
                        support::safetensors(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", floats({1})));
    open(R"({"a":"a.safetensors"})");
    CHECK_ERROR(model_format, "lacks the tensor 'b'", open(R"({"a":"a.safetensors","b":"a.safetensors"})"));
    CHECK_ERROR(model_format, "expected a plain file name", open(R"({"a":"../a.safetensors"})"));
    CHECK_ERROR(model_format, "not a file name", open(R"({"a":3})"));
    CHECK_ERROR(model_format, "weight_map is", open("[]"));
    CHECK_ERROR(io, "b.safetensors: cannot be read", open(R"({"a":"b.safetensors"})"));
}

TEST("a folder without weights") {
    const TemporaryFolder folder;
    CHECK_ERROR(io, "no weights in this folder", open_checkpoint(folder.path()));
}

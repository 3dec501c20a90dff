// Where a loaded model's numbers lie: weights in the mapped file, as rows or packed, and what every call reads beside
// them.
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>

#include "check.h"
#include "convert/convert.h"
#include "graph/packed_weights.h"
#include "kernels/isa.h"
#include "model/file_type.h"
#include "model/names.h"
#include "runtime/engine.h"
#include "test_convert_support.h"

using namespace altclip;

namespace {

const support::TemporaryFolder folder;

std::string converted(const std::string & dtype, bool packed = false) {
    ConvertOptions options;
    options.packed = packed;
    options.source = ALTCLIP_FIXTURES "/models/tiny";
    options.output = folder.file(dtype + (packed ? "-packed.gguf" : ".gguf"));
    options.dtype = dtype;
    convert_model(options);
    return options.output;
}

#ifdef __linux__
/// Kilobytes of a mapped file that count as this process's memory.
int64_t resident(const std::string & path) {
    std::ifstream maps("/proc/self/smaps");
    int64_t n_all = 0;
    bool is_file = false;
    for (std::string line; std::getline(maps, line);) {
        const bool is_field = line.find(':') < line.find(' ');
        if (!is_field) is_file = line.find(path) != std::string::npos;
        if (is_file && line.rfind("Rss:", 0) == 0) n_all += std::stoll(line.substr(4));
    }
    return n_all;
}
#endif

}  // namespace

TEST("weights lie in the mapping; norms, biases and positions, which keep pages around them in memory, do not") {
    const Model model = load_model(converted("q8_0"), {});
    const auto is_mapped = [&](const ggml_tensor * tensor) {
        const auto * data = static_cast<const uint8_t *>(tensor->data);
        return data >= model.file->data() && data < model.file->data() + model.file->size();
    };
    const BlockWeights & block = model.text->blocks[0];
    CHECK(is_mapped(model.text->token_embd) && is_mapped(block.up.weight));
    CHECK(is_mapped(model.vision->patch_embd.weight));
    CHECK(!is_mapped(block.up.bias) && !is_mapped(block.ln1.weight) && !is_mapped(model.text->position_embd));
    CHECK(!is_mapped(model.vision->class_embd) && !is_mapped(model.vision->position_embd));
}

TEST("a packed file holds the bytes that loading makes of the rows, whatever the dtype") {
    for (const FileType & one : file_types()) {
        const Model rows = load_model(converted(one.name), {});
        const PackedWeights made(rows, 2, {});
        const Model packed = load_model(converted(one.name, true), {});
        const PackedWeights read(packed, 2, {});
        CHECK(packed.dtype == rows.dtype && packed.packed && !rows.packed);
        const auto same = [&](const ggml_tensor * a, const ggml_tensor * b) {
            const PackedWeight &x = *made.find(a), &y = *read.find(b);
            const size_t n_bytes = PackedWeight::n_bytes(x.type(), x.n_in(), x.n_out());
            return x.type() == y.type() && x.n_in() == y.n_in() && x.n_out() == y.n_out() &&
                   y.tile(0) == static_cast<const std::byte *>(b->data) &&
                   std::memcmp(x.tile(0), y.tile(0), n_bytes) == 0;
        };
        const BlockWeights &a = rows.text->blocks[0], &b = packed.text->blocks[0];
        CHECK(same(a.q.weight, b.q.weight) && same(a.up.weight, b.up.weight) && same(a.down.weight, b.down.weight));
        CHECK(same(rows.vision->patch_embd.weight, packed.vision->patch_embd.weight));
        CHECK(same(rows.text->projection.weight, packed.text->projection.weight));
        CHECK(std::memcmp(a.q.bias->data, b.q.bias->data, ggml_nbytes(a.q.bias)) == 0);
    }
}

TEST("a packed file of another layout, or whose bytes are not what its name says") {
    const std::string path = converted("f16", true), sound = support::read_file(path);
    const auto changed = [&](const std::string & from, size_t skip, const std::string & to) {
        std::string bytes = sound;
        bytes.replace(bytes.find(from) + skip, to.size(), to);
        support::write_file(path, bytes);
        load_model(path, {});
    };
    const std::string key = keys::packed_layout, name = "t.blk.0.attn_q.weight.packed_f16";
    CHECK_ERROR(unsupported, "layout 99, expected layout", changed(key, key.size() + 4, "\x63"));
    CHECK_ERROR(model_format, "'t.blk.0.attn_q.weight.packed_f32' is", changed(name, name.size() - 2, "32"));
    CHECK_ERROR(model_format, "'t.blk.0.attn_q.weight' is missing", changed(name, name.size() - 2, "99"));
    CHECK_ERROR(model_format, "as q4_0", changed(name, name.size() + 4 + 8, "\x02"));  // behind dimensions and length
    changed(name, 0, "t");
}

#ifdef __linux__
TEST("nothing of the file stays in memory once its weights are packed") {
    if (best_isa() == Isa::scalar) return;  // then ggml's operators read the mapping
    for (const char * dtype : {"f32", "bf16", "q8_0"}) {
        const std::string path = converted(dtype);
        const Engine engine(load_model(path, {}), "cpu", 2);
        CHECK(resident(path) <= 4);  // the last page is the file's only in part
    }
}
#endif

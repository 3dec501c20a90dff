#include "targets.h"

#include <algorithm>
#include <future>
#include <memory>
#include <vector>

#include "convert/config.h"
#include "convert/gguf_metadata.h"
#include "convert/safetensors.h"
#include "convert/torch_file.h"
#include "error.h"
#include "ggml-cpp.h"
#include "model/gguf_file.h"
#include "model/model.h"
#include "model/names.h"
#include "runtime/engine.h"
#include "text/tokenizer.h"

namespace fuzz {

using namespace altclip;

namespace {

template <typename Read>
Outcome refusing(Read read) {
    try {
        read();
        return Outcome::sound;
    } catch (const Error & e) {
        if (e.code() == ErrorCode::internal) throw;
        return Outcome::refused;
    }
}

void use(Vocabulary vocabulary, const std::string & path) {
    const Tokenizer tokenizer(std::move(vocabulary), path);
    for (const char * text :
         {"a cab <mask> ab</s>", "\xf0\x9f\x98\x80 \xff\xc3 \xe2\x96\x81 abc  ", "", "aaaaaaaaaaaaaaaa"}) {
        const Encoding encoding = tokenizer.encode(text, true);
        tokenizer.decode(encoding.ids, false);
    }
}

void use(const WeightSource & source) {
    constexpr int64_t n_piece = 4096;
    std::vector<float> values(n_piece);
    for (size_t i = 0; i < source.tensors().size(); ++i) {
        const SourceTensor & tensor = source.tensors()[i];
        if (tensor.type == SourceType::other) continue;
        const int64_t n = element_count(tensor.shape).value();
        for (int64_t first = 0; first < n; first += n_piece) {
            source.read(i, first, std::min(n_piece, n - first), values.data());
        }
    }
}

void run(Engine & engine, std::variant<TextInput, ImageInput> input) {
    std::promise<TowerOutput> promise;
    Job job;
    job.input = std::move(input);
    job.wanted.features = true;
    job.done = [&](TowerOutput output) { promise.set_value(std::move(output)); };
    job.failed = [&](std::exception_ptr error) { promise.set_exception(error); };
    engine.submit(std::move(job));
    promise.get_future().get();
}

}  // namespace

Outcome read_gguf(const std::string & path) {
    return refusing([&] {
        const auto file = std::make_shared<const GgufFile>(path);
        if (file->has(keys::tokenizer_model)) use(read_gguf_vocabulary(file), path);
        load_model(path, {});
    });
}

Outcome read_safetensors(const std::string & path) {
    return refusing([&] { use(*open_safetensors(path)); });
}

Outcome read_torch(const std::string & path) {
    return refusing([&] { use(*open_torch_file(path)); });
}

Outcome read_config(const std::string & path) {
    return refusing([&] { altclip::read_config(path); });
}

Outcome read_preprocessor(const std::string & path) {
    return refusing([&] {
        const gguf_context_ptr gguf(gguf_init_empty());
        write_preprocessor(gguf.get(), path);
    });
}

Outcome read_tokenizer(const std::string & path) {
    return refusing([&] { use(read_vocabulary(path), path); });
}

Outcome run_forward(const std::string & path) {
    return refusing([&] {
        Engine engine(load_model(path, {}), "cpu", 1);
        if (const auto & text = engine.hparams().text) {
            const int64_t last = text->n_vocab - 1;
            TextInput input;
            input.ids = {std::min<int64_t>(3, last), last, 0};
            input.n_columns = static_cast<int64_t>(input.ids.size());
            input.n_rows = 1;
            run(engine, std::move(input));
        }
        if (const auto & vision = engine.hparams().vision) {
            ImageInput input{1, vision->n_channels, vision->image_size, vision->image_size, {}, false};
            input.pixel_values.assign(static_cast<size_t>(input.n_channels * input.height * input.width), 0.5f);
            run(engine, std::move(input));
        }
    });
}

}  // namespace fuzz

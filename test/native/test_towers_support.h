// What the tests of the engine share: fixtures as models, calls that wait, the device they run on.
#pragma once

#include <cstdlib>
#include <future>
#include <string>
#include <utility>
#include <variant>

#include "convert/convert.h"
#include "runtime/engine.h"
#include "temporary_folder.h"

namespace support {

inline const std::string fixtures = ALTCLIP_FIXTURES;

/// ALTCLIP_TEST_DEVICE runs the same cases on a GPU: GGML_VK_VISIBLE_DEVICES=0 ALTCLIP_TEST_DEVICE=vulkan:0.
inline std::string device() {
    const char * name = std::getenv("ALTCLIP_TEST_DEVICE");
    return name ? name : "cpu";
}
inline bool on_cpu() {
    return device() == "cpu";
}

/// A model of test/fixtures, converted.
inline altclip::Model load_f32(const std::string & name, bool text = true, bool vision = true, bool packed = false) {
    static const TemporaryFolder folder;
    altclip::ConvertOptions convert;
    convert.source = fixtures + "/models/" + name;
    convert.output = folder.file(name + ".gguf");
    convert.dtype = "f32";
    convert.packed = packed;
    altclip::convert_model(convert);
    altclip::LoadOptions load;
    load.text = text;
    load.vision = vision;
    return altclip::load_model(convert.output, load);
}

inline altclip::TowerOutput run(altclip::Engine & engine,
                                std::variant<altclip::TextInput, altclip::ImageInput> input,
                                const altclip::Wanted & wanted, const altclip::AbortFlag & abort = {}) {
    std::promise<altclip::TowerOutput> promise;
    altclip::Job job;
    job.input = std::move(input);
    job.wanted = wanted;
    job.abort = abort;
    job.done = [&](altclip::TowerOutput output) { promise.set_value(std::move(output)); };
    job.failed = [&](std::exception_ptr error) { promise.set_exception(error); };
    engine.submit(std::move(job));
    return promise.get_future().get();
}

inline altclip::TextInput ids(int64_t rows, int64_t columns) {
    altclip::TextInput input;
    input.n_rows = rows;
    input.n_columns = columns;
    for (int64_t i = 0; i < rows * columns; ++i) input.ids.push_back(4 + i % 900);
    return input;
}

}  // namespace support

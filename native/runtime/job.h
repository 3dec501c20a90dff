// One call in the engine's queue: its input, what it wants, and how it ends.
#pragma once

#include <exception>
#include <functional>
#include <variant>

#include "abort_flag.h"
#include "runtime/inputs.h"

namespace altclip {

struct Job {
    std::variant<TextInput, ImageInput> input;
    Wanted wanted;
    AbortFlag abort;
    std::function<void(TowerOutput)> done;           // called once, from the engine's thread
    std::function<void(std::exception_ptr)> failed;  // or this
    TowerOutput output;                              // grows as batches are computed

    const TextInput & text() const { return std::get<TextInput>(input); }
    const ImageInput & image() const { return std::get<ImageInput>(input); }
};

}  // namespace altclip

// A pickle as data: the opcodes and globals that torch.save uses for a state dict, and nothing that runs.
// Opcodes: CPython's Lib/pickletools.py.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace altclip {

struct PickleValue {
    enum class Kind { none, boolean, integer, real, text, tuple, list, dict, global, call, persistent, mark };

    Kind kind = Kind::none;
    int64_t integer = 0;          // boolean and integer
    std::string text;             // text; a global's "module.name", also of the global that a call calls
    std::vector<uint32_t> items;  // indices into Pickle::values: members, a dict's keys and values in turn, arguments
};

/// Values refer to each other by index, so that no depth of nesting can exhaust the stack.
struct Pickle {
    std::vector<PickleValue> values;
    uint32_t root = 0;

    const PickleValue & operator[](uint32_t index) const { return values[index]; }
};

/// Reads a pickle. Calls of allowed globals are kept as values, never made. Throws model_format where the bytes are
/// damaged and unsupported for any other global or opcode, naming it; `source` is the file's name in messages.
Pickle read_pickle(std::string_view bytes, const std::string & source);

}  // namespace altclip

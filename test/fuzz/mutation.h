// Structure-aware damage: a file as a list of parts that know what they are, and JSON as a tree.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace fuzz {

using Random = std::mt19937;

/// A piece of a binary file. `length` is a number that counts the bytes of the text right behind it.
struct Part {
    enum class Kind { number, length, text, raw };
    Kind kind;
    std::string bytes;
};

/// A file being built, little-endian.
class Parts {
public:
    Parts & number(uint64_t value, int n_bytes);
    Parts & text(std::string_view value);
    Parts & counted(std::string_view value, int n_length_bytes);  // its length, then the text
    Parts & raw(std::string_view value);
    Parts & append(const Parts & other);

    size_t n_bytes() const;
    std::string join() const;

    std::vector<Part> list;
};

/// The file's bytes with one to four things wrong: numbers at their limits, texts exchanged or overlong (their length
/// put right most of the time), parts left out, repeated or in another order, damaged bytes, a cut.
std::string mutate(Parts parts, Random & random);

/// The JSON's text with one to four things wrong: values of other types, numbers beyond every range, keys missing,
/// there twice or new, nesting of 100 or 100,000 levels, damaged bytes, a cut.
std::string mutate(nlohmann::json root, Random & random);

}  // namespace fuzz

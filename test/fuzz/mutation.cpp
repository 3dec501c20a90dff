#include "mutation.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace fuzz {

namespace {

using nlohmann::json;

constexpr uint64_t limits[] = {0,
                               1,
                               2,
                               3,
                               0x7f,
                               0x80,
                               0xff,
                               0x7fff,
                               0x8000,
                               0xffff,
                               uint64_t{1} << 20,
                               0x7fffffff,
                               0x80000000,
                               0xffffffff,
                               uint64_t{1} << 32,
                               uint64_t{1} << 40,
                               uint64_t{1} << 48,
                               uint64_t{1} << 60,
                               uint64_t{1} << 62,
                               0x7fffffffffffffff,
                               uint64_t{1} << 63,
                               ~uint64_t{0},
                               0x7fc00000,   // NaN in f32
                               0x7f800000,   // infinity
                               0x00000001};  // the smallest denormal

const std::string words[] = {"",
                             "os.system",
                             "builtins.eval",
                             "os",
                             "system",
                             "../../../../tmp/altclip-fuzz-outside",
                             "/etc/passwd",
                             std::string("\0", 1),
                             "\xff\xfe",
                             "\xed\xa0\x80",
                             "%s%n",
                             "__class__",
                             std::string(63, 'n'),
                             std::string(64, 'n'),
                             std::string(70000, 'A')};

size_t below(Random & random, size_t n) {
    return n == 0 ? 0 : random() % n;
}

template <typename List>
const auto & any_of(Random & random, const List & list) {
    return *(std::begin(list) + static_cast<std::ptrdiff_t>(below(random, std::size(list))));
}

std::string little_endian(uint64_t value, size_t n_bytes) {
    std::string bytes;
    for (size_t i = 0; i < n_bytes; ++i) bytes += i < 8 ? static_cast<char>(value >> (8 * i)) : '\0';
    return bytes;
}

uint64_t value_of(const std::string & bytes) {
    uint64_t value = 0;
    std::memcpy(&value, bytes.data(), std::min(bytes.size(), sizeof(value)));
    return value;
}

void damage_bytes(std::string & bytes, Random & random) {
    if (bytes.empty()) return;
    switch (below(random, 4)) {
        case 0: bytes[below(random, bytes.size())] = static_cast<char>(random()); break;
        case 1: bytes[below(random, bytes.size())] ^= static_cast<char>(1 << below(random, 8)); break;
        case 2: {
            const std::string value = little_endian(any_of(random, limits), size_t{1} << below(random, 4));
            const size_t at = below(random, bytes.size()) / value.size() * value.size();
            bytes.replace(at, std::min(value.size(), bytes.size() - at), value.substr(0, bytes.size() - at));
            break;
        }
        default: {
            const size_t at = below(random, bytes.size());
            bytes.erase(at, 1 + below(random, 16));
        }
    }
}

void damage_number(std::string & bytes, Random & random) {
    uint64_t value = value_of(bytes);
    switch (below(random, 5)) {
        case 0: ++value; break;
        case 1: --value; break;
        case 2: value *= 2; break;
        case 3: value ^= uint64_t{1} << below(random, 8 * bytes.size()); break;
        default: value = any_of(random, limits);
    }
    bytes = little_endian(value, bytes.size());
}

void damage_text(std::vector<Part> & parts, size_t index, Random & random) {
    std::string & bytes = parts[index].bytes;
    switch (below(random, 4)) {
        case 0: bytes = any_of(random, words); break;
        case 1: damage_bytes(bytes, random); break;
        case 2: bytes += bytes; break;
        default: {  // another text of the file: keys and names there twice, or in each other's place
            const Part & other = any_of(random, parts);
            if (other.kind == Part::Kind::text) bytes = std::string(other.bytes);
        }
    }
    if (index == 0 || parts[index - 1].kind != Part::Kind::length || below(random, 4) == 0) return;
    std::string & length = parts[index - 1].bytes;
    length = little_endian(bytes.size(), length.size());
}

void damage_order(std::vector<Part> & parts, Random & random) {
    const size_t first = below(random, parts.size());
    const size_t count = std::min(1 + below(random, 12), parts.size() - first);
    const auto begin = parts.begin() + static_cast<std::ptrdiff_t>(first);
    const auto end = begin + static_cast<std::ptrdiff_t>(count);
    switch (below(random, 3)) {
        case 0: parts.erase(begin, end); break;
        case 1: std::swap(parts[first], parts[below(random, parts.size())]); break;
        default: {
            const std::vector<Part> run(begin, end);
            const size_t n_times = below(random, 8) == 0 ? 200 : 1;
            for (size_t i = 0; i < n_times; ++i) {
                parts.insert(parts.begin() + static_cast<std::ptrdiff_t>(first), run.begin(), run.end());
            }
        }
    }
}

void damage(std::vector<Part> & parts, Random & random) {
    if (parts.empty()) return;
    if (below(random, 6) == 0) return damage_order(parts, random);
    const size_t index = below(random, parts.size());
    switch (parts[index].kind) {
        case Part::Kind::number:
        case Part::Kind::length: return damage_number(parts[index].bytes, random);
        case Part::Kind::text: return damage_text(parts, index, random);
        case Part::Kind::raw: return damage_bytes(parts[index].bytes, random);
    }
}

void cut_or_extend(std::string & bytes, Random & random) {
    if (below(random, 2) == 0) {
        bytes.resize(below(random, bytes.size() + 1));
    } else {
        bytes.append(below(random, 70), static_cast<char>(random()));
    }
}

size_t n_damages(Random & random) {
    return below(random, 3) == 0 ? 1 + below(random, 4) : 1;
}

// --- JSON -----------------------------------------------------------------------------------------------------------

void collect(json & node, std::vector<json *> & all) {
    all.push_back(&node);
    for (json & child : node) {
        if (node.is_structured()) collect(child, all);
    }
}

constexpr const char * deep = "@deep@";

json hostile_value(Random & random) {
    switch (below(random, 14)) {
        case 0: return nullptr;
        case 1: return below(random, 2) == 0;
        case 2: return 0;
        case 3: return -1;
        case 4: return any_of(random, limits);
        case 5: return -static_cast<int64_t>(any_of(random, limits) >> 1);
        case 6: return 1e308;
        case 7: return 0.5;
        case 8: return json::array();
        case 9: return json::object();
        case 10: return json::array({1, "two", nullptr});
        case 11: return deep + std::to_string(below(random, 2));
        default: {
            const std::string & word = any_of(random, words);  // JSON cannot say what is not UTF-8
            return word.find('\xff') == std::string::npos && word.find('\xed') == std::string::npos ? json(word)
                                                                                                    : json("\x7f");
        }
    }
}

void damage(json & root, Random & random) {
    std::vector<json *> all;
    collect(root, all);
    json & node = *any_of(random, all);
    if (node.is_object() && !node.empty() && below(random, 2) == 0) {
        const auto item = std::next(node.begin(), static_cast<std::ptrdiff_t>(below(random, node.size())));
        if (below(random, 2) == 0) {
            node.erase(item);
        } else {
            node["unknown" + item.key()] = item.value();
        }
    } else if (node.is_array() && !node.empty() && below(random, 2) == 0) {
        const size_t index = below(random, node.size());
        if (below(random, 2) == 0) {
            node.erase(index);
        } else {
            node.push_back(json(node[index]));
        }
    } else {
        node = hostile_value(random);
    }
}

void replace_all(std::string & text, const std::string & what, const std::string & by) {
    for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
        text.replace(at, what.size(), by);
    }
}

/// The first key of some object once more.
void repeat_key(std::string & text, Random & random) {
    const size_t open = text.find("{\"", below(random, text.size() + 1));
    if (open == std::string::npos) return;
    const size_t colon = text.find("\":", open);
    if (colon == std::string::npos) return;
    text.insert(open + 1, text.substr(open + 1, colon + 1 - open) + "0,");
}

}  // namespace

Parts & Parts::number(uint64_t value, int n_bytes) {
    list.push_back({Part::Kind::number, little_endian(value, static_cast<size_t>(n_bytes))});
    return *this;
}
Parts & Parts::text(std::string_view value) {
    list.push_back({Part::Kind::text, std::string(value)});
    return *this;
}
Parts & Parts::counted(std::string_view value, int n_length_bytes) {
    list.push_back({Part::Kind::length, little_endian(value.size(), static_cast<size_t>(n_length_bytes))});
    return text(value);
}
Parts & Parts::raw(std::string_view value) {
    list.push_back({Part::Kind::raw, std::string(value)});
    return *this;
}
Parts & Parts::append(const Parts & other) {
    list.insert(list.end(), other.list.begin(), other.list.end());
    return *this;
}

size_t Parts::n_bytes() const {
    size_t n = 0;
    for (const Part & part : list) n += part.bytes.size();
    return n;
}

std::string Parts::join() const {
    std::string bytes;
    for (const Part & part : list) bytes += part.bytes;
    return bytes;
}

std::string mutate(Parts parts, Random & random) {
    const size_t n = n_damages(random);
    for (size_t i = 0; i < n; ++i) damage(parts.list, random);
    std::string bytes = parts.join();
    if (below(random, 16) == 0) cut_or_extend(bytes, random);
    return bytes;
}

std::string mutate(json root, Random & random) {
    const size_t n = n_damages(random);
    for (size_t i = 0; i < n; ++i) damage(root, random);
    std::string text = root.dump(-1, ' ', false, json::error_handler_t::replace);
    for (const size_t depth : {size_t{100}, size_t{100000}}) {
        const std::string placeholder = std::string("\"") + deep + (depth == 100 ? "0\"" : "1\"");
        replace_all(text, placeholder, std::string(depth, '[') + std::string(depth, ']'));
    }
    if (below(random, 8) == 0) repeat_key(text, random);
    if (below(random, 8) == 0) damage_bytes(text, random);
    if (below(random, 16) == 0) cut_or_extend(text, random);
    return text;
}

}  // namespace fuzz

// JSON of a checkpoint folder: parsed with a depth limit and no double keys, read with typed getters.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace altclip {

/// Throws model_format, naming `source`, for anything but JSON, for a key twice in one object and for nesting
/// beyond 64.
nlohmann::json parse_json(std::string_view text, const std::string & source);
/// `path` is UTF-8. Throws io where the file cannot be read, else as parse_json.
nlohmann::json read_json_file(const std::string & path);

/// Typed values of one JSON object. A missing key or null gives the fallback; another type throws model_format naming
/// source, key, value and what was expected. The JSON must outlive it.
class JsonObject {
public:
    /// `prefix` stands before the keys in messages, e.g. "text_config.".
    JsonObject(const nlohmann::json & value, std::string source, std::string prefix = "");

    const nlohmann::json * find(const std::string & key) const;  // null where missing or null
    JsonObject object(const std::string & key) const;            // empty where missing
    int32_t integer(const std::string & key, int32_t fallback) const;
    double number(const std::string & key, double fallback) const;
    bool boolean(const std::string & key, bool fallback) const;
    std::string string(const std::string & key, const std::string & fallback) const;
    std::vector<double> numbers(const std::string & key, size_t count, std::vector<double> fallback) const;

    [[noreturn]] void fail_type(const std::string & key, const std::string & expected) const;

private:
    const nlohmann::json & value_;
    std::string source_;
    std::string prefix_;
};

}  // namespace altclip

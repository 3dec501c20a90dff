#include "convert/json_file.h"

#include <cmath>
#include <limits>
#include <unordered_set>
#include <utility>

#include "error.h"
#include "io/mapped_file.h"

namespace altclip {

namespace {

using nlohmann::json;

constexpr int max_depth = 64;
// a checkpoint's largest JSON, the header of its safetensors, has 100 KB; as a tree, text grows up to 50 times
constexpr size_t max_bytes = size_t{16} << 20;
constexpr size_t max_values = size_t{1} << 18;

std::string shortened(const json & value) {
    if (value.is_structured()) return value.is_array() ? "an array" : "an object";  // dump() recurses
    std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
    if (text.size() > 80) text = text.substr(0, 77) + "...";
    return text;
}

const json & empty_object() {
    static const json empty = json::object();
    return empty;
}

}  // namespace

json parse_json(std::string_view text, const std::string & source) {
    if (text.size() > max_bytes) {
        fail(ErrorCode::model_format, source, ": ", text.size(), " bytes of JSON, expected at most ", max_bytes);
    }
    std::vector<std::unordered_set<std::string>> keys;  // of the objects that are open
    size_t n_values = 0;
    const auto check = [&](int depth, json::parse_event_t event, json & parsed) {
        if (++n_values > max_values) fail(ErrorCode::model_format, source, ": more than ", max_values, " JSON values");
        if (depth > max_depth) fail(ErrorCode::model_format, source, ": nested deeper than ", max_depth, " levels");
        if (event == json::parse_event_t::object_start) keys.emplace_back();
        if (event == json::parse_event_t::object_end) keys.pop_back();
        if (event == json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second) {
            fail(ErrorCode::model_format, source, ": the key '", parsed.get<std::string>(), "' stands there twice");
        }
        return true;
    };
    try {
        return json::parse(text.begin(), text.end(), check);
    } catch (const json::exception & e) {
        fail(ErrorCode::model_format, source, ": not valid JSON: ", e.what());
    }
}

json read_json_file(const std::string & path) {
    const MappedFile file(path);
    return parse_json({reinterpret_cast<const char *>(file.data()), file.size()}, path);
}

JsonObject::JsonObject(const json & value, std::string source, std::string prefix)
    : value_(value), source_(std::move(source)), prefix_(std::move(prefix)) {
    if (value_.is_object()) return;
    const std::string what = prefix_.empty() ? "its content" : prefix_.substr(0, prefix_.size() - 1);
    fail(ErrorCode::model_format, source_, ": ", what, " is ", shortened(value_), ", expected an object");
}

const json * JsonObject::find(const std::string & key) const {
    const auto at = value_.find(key);
    return at == value_.end() || at->is_null() ? nullptr : &*at;
}

JsonObject JsonObject::object(const std::string & key) const {
    const json * value = find(key);
    return JsonObject(value ? *value : empty_object(), source_, prefix_ + key + ".");
}

int32_t JsonObject::integer(const std::string & key, int32_t fallback) const {
    const json * value = find(key);
    if (!value) return fallback;
    const double number = value->is_number() ? value->get<double>() : std::nan("");
    // 32.0 counts as an integer; NaN fails every comparison
    if (!(number >= std::numeric_limits<int32_t>::min() && number <= std::numeric_limits<int32_t>::max()) ||
        number != std::floor(number)) {
        fail_type(key, "an integer below 2^31");
    }
    return static_cast<int32_t>(number);
}

double JsonObject::number(const std::string & key, double fallback) const {
    const json * value = find(key);
    if (!value) return fallback;
    if (!value->is_number()) fail_type(key, "a number");
    return value->get<double>();
}

bool JsonObject::boolean(const std::string & key, bool fallback) const {
    const json * value = find(key);
    if (!value) return fallback;
    if (!value->is_boolean()) fail_type(key, "true or false");
    return value->get<bool>();
}

std::string JsonObject::string(const std::string & key, const std::string & fallback) const {
    const json * value = find(key);
    if (!value) return fallback;
    if (!value->is_string()) fail_type(key, "a string");
    return value->get<std::string>();
}

std::vector<double> JsonObject::numbers(const std::string & key, size_t count, std::vector<double> fallback) const {
    const json * value = find(key);
    if (!value) return fallback;
    const std::string expected = "an array of " + std::to_string(count) + " numbers";
    if (!value->is_array() || value->size() != count) fail_type(key, expected);
    std::vector<double> all;
    for (const json & one : *value) {
        if (!one.is_number()) fail_type(key, expected);
        all.push_back(one.get<double>());
    }
    return all;
}

void JsonObject::fail_type(const std::string & key, const std::string & expected) const {
    const json * value = find(key);
    fail(ErrorCode::model_format, source_, ": ", prefix_, key, " is ", value ? shortened(*value) : "missing",
         ", expected ", expected);
}

}  // namespace altclip

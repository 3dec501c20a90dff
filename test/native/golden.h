// The golden cases of test/fixtures/outputs: inputs and outputs that transformers computed, read from safetensors.
#pragma once

#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

namespace golden {

struct Tensor {
    std::vector<int64_t> shape;
    std::vector<float> f32;
    std::vector<int64_t> i64;
};

inline std::string read_file(const std::string & path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error("cannot read " + path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

inline std::map<std::string, Tensor> read_safetensors(const std::string & path) {
    const std::string bytes = read_file(path);
    uint64_t n_header = 0;
    std::memcpy(&n_header, bytes.data(), sizeof(n_header));
    const char * data = bytes.data() + 8 + n_header;
    std::map<std::string, Tensor> tensors;
    const nlohmann::json header = nlohmann::json::parse(bytes.substr(8, n_header));
    for (const auto & [name, info] : header.items()) {
        if (name == "__metadata__") continue;
        Tensor & tensor = tensors[name];
        tensor.shape = info["shape"].get<std::vector<int64_t>>();
        const auto offsets = info["data_offsets"].get<std::vector<size_t>>();
        const size_t n_bytes = offsets[1] - offsets[0];
        if (info["dtype"] == "F32") {
            tensor.f32.resize(n_bytes / 4);
            std::memcpy(tensor.f32.data(), data + offsets[0], n_bytes);
        } else {
            tensor.i64.resize(n_bytes / 8);
            std::memcpy(tensor.i64.data(), data + offsets[0], n_bytes);
        }
    }
    return tensors;
}

inline nlohmann::json read_json(const std::string & path) {
    return nlohmann::json::parse(read_file(path));
}

}  // namespace golden

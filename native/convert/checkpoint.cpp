#include "convert/checkpoint.h"

#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "convert/json_file.h"
#include "convert/safetensors.h"
#include "convert/torch_file.h"
#include "error.h"

namespace altclip {

namespace {

namespace fs = std::filesystem;

using Open = std::unique_ptr<WeightSource> (*)(const std::string &);

/// Several files as one, as an index file lists them.
class Sharded : public WeightSource {
public:
    Sharded(const std::string & folder, const std::string & index_name, Open open) {
        const std::string index = join_path(folder, index_name);
        const nlohmann::json json = read_json_file(index);
        const JsonObject fields(json, index);
        const nlohmann::json * map = fields.find("weight_map");
        if (!map || !map->is_object() || map->empty())
            fields.fail_type("weight_map", "an object of tensor names and files");
        std::map<std::string, std::set<std::string>> files;  // ordered, so that the order of tensors is fixed
        for (const auto & [tensor, file] : map->items()) {
            if (!file.is_string()) fail(ErrorCode::model_format, index, ": weight_map.", tensor, " is not a file name");
            files[file.get<std::string>()].insert(tensor);
        }
        for (auto & [file, names] : files) {
            // an index must not reach outside its folder
            if (file.empty() || file.find_first_of(std::string("/\\\0:", 4)) != std::string::npos) {
                fail(ErrorCode::model_format, index, ": weight_map names the file '", file,
                     "', expected a plain file name");
            }
            add(open(join_path(folder, file)), names);
        }
    }

    const std::vector<SourceTensor> & tensors() const override { return tensors_; }
    const std::string & file_of(size_t tensor) const override {
        return files_[places_[tensor].first]->file_of(places_[tensor].second);
    }
    void read(size_t tensor, int64_t first, int64_t count, float * out) const override {
        files_[places_[tensor].first]->read(places_[tensor].second, first, count, out);
    }
    void expect(size_t tensor, int64_t first, int64_t count) const override {
        files_[places_[tensor].first]->expect(places_[tensor].second, first, count);
    }
    void forget(size_t tensor, int64_t first, int64_t count) const override {
        files_[places_[tensor].first]->forget(places_[tensor].second, first, count);
    }

private:
    void add(std::unique_ptr<WeightSource> file, std::set<std::string> & expected) {
        for (size_t i = 0; i < file->tensors().size(); ++i) {
            tensors_.push_back(file->tensors()[i]);
            places_.emplace_back(files_.size(), i);
            expected.erase(tensors_.back().name);
        }
        if (!expected.empty()) {
            const std::string path = file->tensors().empty() ? "a file of the index" : file->file_of(0);
            fail(ErrorCode::model_format, path, ": lacks the tensor '", *expected.begin(),
                 "' that the index says it has");
        }
        files_.push_back(std::move(file));
    }

    std::vector<std::unique_ptr<WeightSource>> files_;
    std::vector<SourceTensor> tensors_;
    std::vector<std::pair<size_t, size_t>> places_;  // file, tensor in it
};

}  // namespace

bool has_file(const std::string & folder, const std::string & name) {
    std::error_code ignored;
    return fs::exists(fs::u8path(join_path(folder, name)), ignored);
}

std::string join_path(const std::string & folder, const std::string & name) {
    return (fs::u8path(folder) / fs::u8path(name)).u8string();
}

std::unique_ptr<WeightSource> open_checkpoint(const std::string & folder) {
    if (has_file(folder, "model.safetensors")) return open_safetensors(join_path(folder, "model.safetensors"));
    if (has_file(folder, "model.safetensors.index.json")) {
        return std::make_unique<Sharded>(folder, "model.safetensors.index.json", open_safetensors);
    }
    if (has_file(folder, "pytorch_model.bin")) return open_torch_file(join_path(folder, "pytorch_model.bin"));
    if (has_file(folder, "pytorch_model.bin.index.json")) {
        return std::make_unique<Sharded>(folder, "pytorch_model.bin.index.json", open_torch_file);
    }
    fail(ErrorCode::io, folder,
         ": no weights in this folder, expected model.safetensors, model.safetensors.index.json, pytorch_model.bin or "
         "pytorch_model.bin.index.json");
}

}  // namespace altclip

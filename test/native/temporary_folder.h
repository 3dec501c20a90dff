// A folder that goes with the test, whatever else runs on the machine.
#pragma once

#include <filesystem>
#include <iterator>
#include <random>
#include <string>
#include <system_error>

namespace support {

namespace fs = std::filesystem;

class TemporaryFolder {
public:
    TemporaryFolder() {
        std::random_device random;
        do {
            path_ = fs::temp_directory_path() / ("altclip-test-" + std::to_string(random()));
        } while (!fs::create_directory(path_));
    }
    ~TemporaryFolder() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    TemporaryFolder(const TemporaryFolder &) = delete;
    TemporaryFolder & operator=(const TemporaryFolder &) = delete;

    std::string path() const { return path_.u8string(); }
    std::string file(const std::string & name) const { return (path_ / fs::u8path(name)).u8string(); }
    size_t n_files() const { return static_cast<size_t>(std::distance(fs::directory_iterator(path_), {})); }

private:
    fs::path path_;
};

}  // namespace support

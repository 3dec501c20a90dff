// libFuzzer's command line, as far as scripts/fuzz.mjs uses it, for compilers without libFuzzer: blind mutation of a
// folder's files, no feedback from coverage. fuzz_X [-max_total_time=SECONDS] [-seed=N] FILE_OR_FOLDER...
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <string>
#include <vector>

#include "mutation.h"
#include "test_convert_support.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t * data, size_t size);

int main(int argc, char ** argv) {
    long n_seconds = 0;
    uint32_t seed = 1;
    std::vector<std::string> corpus;
    for (int i = 1; i < argc; ++i) {
        const std::string argument = argv[i];
        const std::string value = argument.substr(argument.find('=') + 1);
        if (argument.rfind("-max_total_time=", 0) == 0) {
            n_seconds = std::stol(value);
        } else if (argument.rfind("-seed=", 0) == 0) {
            seed = static_cast<uint32_t>(std::stoul(value));
        } else if (argument[0] != '-') {
            for (const auto & entry : std::filesystem::recursive_directory_iterator(argument)) {
                if (entry.is_regular_file()) corpus.push_back(support::read_file(entry.path().u8string()));
            }
        }
    }
    const auto run = [](const std::string & bytes) {
        LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size());
    };
    for (const std::string & bytes : corpus) run(bytes);
    fuzz::Random random(seed);
    size_t n_runs = corpus.size();
    const std::time_t end = std::time(nullptr) + n_seconds;
    for (; !corpus.empty() && std::time(nullptr) < end; ++n_runs) {
        fuzz::Parts parts;
        parts.raw(corpus[random() % corpus.size()]);
        run(fuzz::mutate(parts, random));
    }
    std::printf("%zu runs\n", n_runs);
}

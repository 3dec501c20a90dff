// Writes the start of a fuzzer's corpus: for each campaign the sound file and 20 damaged ones, in a folder per target.
// fuzz_corpus FOLDER
#include <cstdio>
#include <filesystem>
#include <string>

#include "cases.h"
#include "test_convert_support.h"

int main(int argc, char ** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: fuzz_corpus FOLDER\n");
        return 2;
    }
    constexpr uint32_t n_damaged = 20;
    for (const fuzz::Campaign & campaign : fuzz::campaigns()) {
        const std::string start = std::string(argv[1]) + "/" + campaign.target + "/";
        std::filesystem::create_directories(std::filesystem::u8path(start));
        support::write_file(start + campaign.format, campaign.sound());
        for (uint32_t seed = 0; seed < n_damaged; ++seed) {
            support::write_file(start + campaign.format + "." + std::to_string(seed), campaign.damage(seed));
        }
    }
}

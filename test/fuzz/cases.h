// The deterministic campaign: case `seed` of a format is the same file on every machine.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace fuzz {

struct Campaign {
    std::string format;                           // what the target's name says, and which flavour of it
    const char * target;                          // of targets.h
    std::function<std::string()> sound;           // the file as it is
    std::function<std::string(uint32_t)> damage;  // the file of that seed
    size_t n_full;                                // files in full mode
};

std::vector<Campaign> campaigns();

}  // namespace fuzz

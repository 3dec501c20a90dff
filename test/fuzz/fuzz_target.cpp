// One target of targets.h for libFuzzer, chosen by ALTCLIP_FUZZ_TARGET when it is compiled.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "targets.h"
#include "test_convert_support.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t * data, size_t size) {
    static const support::TemporaryFolder folder;
    const std::string path = folder.file("x");
    support::write_file(path, std::string(reinterpret_cast<const char *>(data), size));
    for (const fuzz::Target & target : fuzz::targets) {
        if (std::string(target.name) != ALTCLIP_FUZZ_TARGET) continue;
        const bool is_gguf = target.read == fuzz::read_gguf;
        if (target.read(path) == fuzz::Outcome::sound && is_gguf) fuzz::run_forward(path);
        return 0;
    }
    std::abort();
}

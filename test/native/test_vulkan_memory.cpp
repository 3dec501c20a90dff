// A Vulkan device whose memory ends: every allocation from the nth on is refused, for every n. On the device that
// ALTCLIP_TEST_DEVICE names (npm run test:vulkan).
#include <dlfcn.h>

#include <atomic>
#include <cstring>

#include "check.h"
#include "test_towers_support.h"

using namespace altclip;
using namespace support;

namespace {

using Function = void (*)();
using AllocateMemory = int (*)(void * device, const void * info, const void * callbacks, void ** memory);

AllocateMemory driver_allocates = nullptr;
std::atomic<int> n_granted{0}, n_refused{0};
std::atomic<bool> limited{false};

int allocate(void * device, const void * info, const void * callbacks, void ** memory) {
    constexpr int out_of_device_memory = -2;
    if (!limited || n_granted-- > 0) return driver_allocates(device, info, callbacks, memory);
    ++n_refused;
    return out_of_device_memory;
}

/// The driver grants `n` allocations while one lives.
class Limit {
public:
    explicit Limit(int n) {
        n_granted = n;
        n_refused = 0;
        limited = true;
    }
    ~Limit() { limited = false; }
};

}  // namespace

/// Stands before the loader's own: whatever ggml calls it looks up here.
extern "C" __attribute__((visibility("default"))) Function vkGetInstanceProcAddr(void * instance, const char * name) {
    using Lookup = Function (*)(void *, const char *);
    static const auto real =
        reinterpret_cast<Lookup>(dlsym(dlopen("libvulkan.so.1", RTLD_NOW), "vkGetInstanceProcAddr"));
    const Function found = real(instance, name);
    if (!found || std::strcmp(name, "vkAllocateMemory") != 0) return found;
    driver_allocates = reinterpret_cast<AllocateMemory>(found);
    return reinterpret_cast<Function>(allocate);
}

TEST("weights that have no room are an error, wherever memory ends") {
    if (on_cpu()) return;
    int n = 0;
    for (bool fits = false; !fits; ++n) {
        Model model = load_f32("tiny");
        const Limit limit(n);
        try {
            Engine(std::move(model), device(), 1);
        } catch (const Error & error) {
            CHECK(error.code() == ErrorCode::out_of_memory);
        }
        fits = n_refused == 0;
    }
    CHECK(n > 2);
}

TEST("a batch that has no room is an error, wherever memory ends, and the model works on") {
    if (on_cpu()) return;
    Wanted features, all;
    features.features = true;
    all.hidden_states = all.attentions = true;
    int n = 0, n_errors = 0;
    for (bool fits = false; !fits; ++n) {
        Engine engine(load_f32("tiny"), device(), 1);
        const std::vector<float> before = run(engine, ids(1, 3), features).features;
        {
            const Limit limit(n);
            try {
                run(engine, ids(70, 60), all);
            } catch (const Error & error) {
                ++n_errors;
                CHECK(error.code() == ErrorCode::out_of_memory);
            }
            fits = n_refused == 0;
        }
        const std::vector<float> after = run(engine, ids(1, 3), features).features;
        for (size_t i = 0; i < before.size(); ++i) CHECK_NEAR(after[i], before[i], 1e-5);
    }
    CHECK(n_errors > 0);
}

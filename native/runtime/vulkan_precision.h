// Whether a Vulkan device multiplies in f32. CMakeLists.txt includes this before ggml's files of that backend.
//
// Where a GPU has f16 or matrix units, ggml rounds both operands of a product to f16, f32 weights' too, whatever
// precision the graph asks for. Environment variables alone turn that off, read when the process first starts the
// device. Setting them for real would race with every other thread's getenv, so ggml asks here instead.
#pragma once

#include <cstdlib>
#include <cstring>
#include <initializer_list>

namespace altclip {

/// Whether the device that this thread starts is to multiply in f32.
inline thread_local bool vulkan_in_f32 = false;

inline char * vulkan_getenv(const char * name) {
    static char set[] = "1";
    for (const char * rounding : {"GGML_VK_DISABLE_F16", "GGML_VK_DISABLE_COOPMAT", "GGML_VK_DISABLE_COOPMAT2"}) {
        if (vulkan_in_f32 && std::strcmp(name, rounding) == 0) return set;
    }
    return std::getenv(name);
}

}  // namespace altclip

#if defined(ALTCLIP_INSIDE_GGML)
#define getenv(name) altclip::vulkan_getenv(name)
#endif

// How ggml's CPU threads wait for each other between operators. CMakeLists.txt includes this before ggml-cpu.c.
//
// ggml spins without end: while a thread's partner is not running (another process, another model's threads), it burns
// its whole time slice, at every operator. Five models at once on two busy cores took 194 s where they now take 7.
// Here a waiting thread spins for some 20 microseconds, then lets others run, and once in a while sleeps.
#pragma once

#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wstrict-prototypes"  // what the macro below makes of ggml's definition
#endif

// ggml defines and calls ggml_thread_cpu_relax; the definition keeps its body under another name, the calls come here.
#define ggml_thread_cpu_relax(...) ggml_thread_cpu_relax_##__VA_ARGS__()

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>
#else
#include <sched.h>
#include <time.h>
#endif
#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

static inline void ggml_thread_cpu_relax_(void) {
    enum { spins = 512, yields = 16 };
#if defined(_MSC_VER)
    static __declspec(thread) unsigned n;
#else
    static __thread unsigned n;
#endif
#if defined(__x86_64__) || defined(_M_X64)
    _mm_pause();
#elif defined(__aarch64__) && !defined(_MSC_VER)
    __asm__ volatile("yield" ::: "memory");
#endif
    if (++n % spins != 0) return;
#if defined(_WIN32)
    if (n % (spins * yields) != 0)
        SwitchToThread();
    else
        Sleep(0);
#else
    if (n % (spins * yields) != 0) {
        sched_yield();
    } else {
        const struct timespec briefly = {0, 20000};
        nanosleep(&briefly, NULL);
    }
#endif
}

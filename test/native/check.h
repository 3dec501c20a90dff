// The native tests' few tools: TEST, CHECK, CHECK_NEAR, CHECK_ERROR, and a main() that runs every TEST of the file.
#pragma once

#include <chrono>
#include <cmath>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "error.h"

namespace check {

struct Case {
    const char * name;
    void (*run)();
};

inline std::vector<Case> & cases() {
    static std::vector<Case> all;
    return all;
}

inline int & failures() {
    static int n = 0;
    return n;
}

struct Registration {
    Registration(const char * name, void (*run)()) { cases().push_back({name, run}); }
};

inline void report(bool ok, const char * file, int line, const std::string & what) {
    if (ok) return;
    ++failures();
    std::fprintf(stderr, "%s:%d: %s\n", file, line, what.c_str());
}

template <typename Function>
void error(const char * file, int line, altclip::ErrorCode code, const std::string & part, Function function) {
    try {
        function();
        report(false, file, line, "no error, expected one that says '" + part + "'");
    } catch (const altclip::Error & e) {
        const std::string message = e.what();
        report(e.code() == code && message.find(part) != std::string::npos, file, line,
               std::string("wrong error ") + altclip::error_code_name(e.code()) + ": " + message + " (expected '" +
                   part + "')");
    }
}

}  // namespace check

#define CHECK_JOIN_(a, b) a##b
#define CHECK_JOIN(a, b) CHECK_JOIN_(a, b)
#define TEST(name)                                                                                  \
    static void CHECK_JOIN(test_, __LINE__)();                                                      \
    static const check::Registration CHECK_JOIN(add_, __LINE__)(name, CHECK_JOIN(test_, __LINE__)); \
    static void CHECK_JOIN(test_, __LINE__)()
#define CHECK(condition) check::report((condition), __FILE__, __LINE__, "failed: " #condition)
#define CHECK_NEAR(a, b, tolerance)                                                    \
    check::report(std::fabs(double(a) - double(b)) <= (tolerance), __FILE__, __LINE__, \
                  "failed: " #a " = " + std::to_string(a) + ", expected " + std::to_string(b))
/// The statement must throw altclip::Error with that code and `part` in its message.
#define CHECK_ERROR(code, part, ...) \
    check::error(__FILE__, __LINE__, altclip::ErrorCode::code, part, [&] { __VA_ARGS__; })

int main() {
    for (const check::Case & one : check::cases()) {
        const auto start = std::chrono::steady_clock::now();
        try {
            one.run();
        } catch (const std::exception & e) {
            check::report(false, one.name, 0, std::string("threw: ") + e.what());
        }
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
        std::printf("%7.2f s  %s\n", took.count(), one.name);
    }
    std::printf("%zu tests, %d failed checks\n", check::cases().size(), check::failures());
    return check::failures() == 0 ? 0 : 1;
}

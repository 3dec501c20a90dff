#include "runtime/device_failure.h"

#include <cstdio>

#include "ggml.h"

namespace altclip {

namespace {

thread_local int n_throwing = 0;

void on_failed_check(const char * message) {
    if (n_throwing > 0) throw GgmlFailure(message);
    std::fprintf(stderr, "%s\n", message);
}

}  // namespace

ThrowingChecks::ThrowingChecks() {
    static const bool installed = (ggml_set_abort_callback(on_failed_check), true);
    (void)installed;
    ++n_throwing;
}

ThrowingChecks::~ThrowingChecks() {
    --n_throwing;
}

}  // namespace altclip

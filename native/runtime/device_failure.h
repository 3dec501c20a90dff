// ggml ends the process on a failed check of its own; in a thread that works with a device it throws instead, so that a
// driver's failure costs the model and not the process.
#pragma once

#include <stdexcept>

namespace altclip {

/// What ggml would have printed before it ended the process.
class GgmlFailure : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// While one lives, failed checks of ggml on this thread throw GgmlFailure.
class ThrowingChecks {
public:
    ThrowingChecks();
    ~ThrowingChecks();
    ThrowingChecks(const ThrowingChecks &) = delete;
    ThrowingChecks & operator=(const ThrowingChecks &) = delete;
};

}  // namespace altclip

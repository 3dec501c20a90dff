// The one exception type of the core; binding/ turns it into a JavaScript error with the same code.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace altclip {

enum class ErrorCode {
    invalid_argument,  // the caller passed something wrong
    model_format,      // a file is damaged, foreign or inconsistent
    unsupported,       // valid, but not something this build can do
    out_of_memory,
    aborted,
    disposed,
    io,        // the operating system refused a file operation
    internal,  // a bug here
};

/// The name JavaScript sees in `AltCLIPError.code`, e.g. "MODEL_FORMAT".
const char * error_code_name(ErrorCode code);

class Error : public std::runtime_error {
public:
    Error(ErrorCode code, const std::string & message) : std::runtime_error(message), code_(code) {}
    ErrorCode code() const { return code_; }

private:
    ErrorCode code_;
};

/// Throws Error with the parts written one after another, as by operator<<.
template <typename... Parts>
[[noreturn]] void fail(ErrorCode code, const Parts &... parts) {
    std::ostringstream message;
    (message << ... << parts);
    throw Error(code, message.str());
}

}  // namespace altclip

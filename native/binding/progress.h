// A JavaScript progress callback that native threads can report to.
#pragma once

#include <napi.h>

#include <functional>

namespace altclip {

/// Reports (done, total) from any thread; JavaScript hears at most 20 reports a second, and the last one, done ==
/// total.
using Progress = std::function<void(double done, double total)>;

/// Empty where `value` is undefined; throws invalid_argument where it is no function.
Progress progress_of(const Napi::Value & value);

}  // namespace altclip

// A cancellation request: set by any thread, read by the thread that does the work.
#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include "error.h"

namespace altclip {

class AbortFlag {
public:
    using State = std::shared_ptr<std::atomic<bool>>;

    AbortFlag() = default;
    explicit AbortFlag(State state) : state_(std::move(state)) {}

    void abort() { state_->store(true, std::memory_order_relaxed); }
    bool aborted() const { return state_->load(std::memory_order_relaxed); }
    void throw_if_aborted() const {
        if (aborted()) fail(ErrorCode::aborted, "the operation was aborted");
    }
    const State & state() const { return state_; }

private:
    State state_ = std::make_shared<std::atomic<bool>>(false);  // copies share it
};

}  // namespace altclip

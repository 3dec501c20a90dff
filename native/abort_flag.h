// A cancellation request: set by any thread, read by the thread that does the work.
#pragma once

#include <atomic>
#include <memory>

#include "error.h"

namespace altclip {

class AbortFlag {
public:
    void abort() { state_->store(true, std::memory_order_relaxed); }
    bool aborted() const { return state_->load(std::memory_order_relaxed); }
    void throw_if_aborted() const {
        if (aborted()) fail(ErrorCode::aborted, "the operation was aborted");
    }

private:
    std::shared_ptr<std::atomic<bool>> state_ = std::make_shared<std::atomic<bool>>(false);  // copies share it
};

}  // namespace altclip

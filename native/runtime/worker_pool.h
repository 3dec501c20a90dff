// A few threads for work that is neither JavaScript's nor an engine's: loading, converting, resizing.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace altclip {

/// Threads start with the first jobs and end with the pool; jobs must not throw.
class WorkerPool {
public:
    explicit WorkerPool(int n_threads);
    ~WorkerPool();

    void submit(std::function<void()> job);
    /// Drops what has not begun, waits for what has.
    void shut_down();

private:
    void run();

    const int n_threads_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<std::function<void()>> jobs_;
    std::vector<std::thread> threads_;
    int n_idle_ = 0;
    bool stopping_ = false;
};

}  // namespace altclip

#include "runtime/worker_pool.h"

#include <utility>

namespace altclip {

WorkerPool::WorkerPool(int n_threads) : n_threads_(n_threads) {}

WorkerPool::~WorkerPool() {
    shut_down();
}

void WorkerPool::submit(std::function<void()> job) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) return;
    jobs_.push_back(std::move(job));
    if (n_idle_ < static_cast<int>(jobs_.size()) && static_cast<int>(threads_.size()) < n_threads_) {
        threads_.emplace_back([this] { run(); });
    }
    wake_.notify_one();
}

void WorkerPool::shut_down() {
    std::deque<std::function<void()>> dropped;  // destroyed outside the lock
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        stopping_ = true;
        dropped.swap(jobs_);
    }
    wake_.notify_all();
    for (std::thread & thread : threads_) thread.join();
    threads_.clear();
}

void WorkerPool::run() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
        ++n_idle_;
        wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
        --n_idle_;
        if (stopping_) return;
        const std::function<void()> job = std::move(jobs_.front());
        jobs_.pop_front();
        lock.unlock();
        job();
        lock.lock();
    }
}

}  // namespace altclip

#include "convert/ordered_pipeline.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include "error.h"

namespace altclip {

namespace {

constexpr size_t max_threads = 16;

class Pipeline {
public:
    Pipeline(size_t n_items, size_t n_threads, const std::function<void(size_t, PipelineSlot &)> & make)
        : n_items_(n_items), make_(make) {
        n_threads = std::min(n_items, std::clamp<size_t>(n_threads, 1, max_threads));
        entries_.resize(2 * n_threads);
        threads_.reserve(n_threads);
        try {
            while (threads_.size() < n_threads) threads_.emplace_back([this] { work(); });
        } catch (const std::exception &) {  // no thread, no memory: those that run suffice
            if (threads_.empty()) fail(ErrorCode::out_of_memory, "no thread can be started for the conversion");
        }
    }

    ~Pipeline() {
        {
            const std::lock_guard lock(mutex_);
            next_ = n_items_;
        }
        slot_freed_.notify_all();
        for (std::thread & thread : threads_) thread.join();
    }

    Pipeline(const Pipeline &) = delete;
    Pipeline & operator=(const Pipeline &) = delete;

    void consume(const std::function<void(size_t, const PipelineSlot &)> & use) {
        for (size_t i = 0; i < n_items_; ++i) {
            Entry & entry = entry_of(i);
            {
                std::unique_lock lock(mutex_);
                item_made_.wait(lock, [&] { return entry.made; });
            }
            if (entry.error) std::rethrow_exception(entry.error);
            use(i, entry.slot);
            {
                const std::lock_guard lock(mutex_);
                entry.made = false;
                ++n_used_;
            }
            slot_freed_.notify_one();
        }
    }

private:
    struct Entry {
        PipelineSlot slot;
        std::exception_ptr error;
        bool made = false;
    };

    Entry & entry_of(size_t item) { return entries_[item % entries_.size()]; }

    void work() {
        for (;;) {
            size_t item = 0;
            {
                std::unique_lock lock(mutex_);
                slot_freed_.wait(lock, [&] { return next_ == n_items_ || next_ < n_used_ + entries_.size(); });
                if (next_ == n_items_) return;
                item = next_++;
            }
            Entry & entry = entry_of(item);
            bool failed = false;
            try {
                make_(item, entry.slot);
            } catch (...) {
                entry.error = std::current_exception();
                failed = true;
            }
            {
                const std::lock_guard lock(mutex_);
                entry.made = true;
                if (failed) next_ = n_items_;
            }
            item_made_.notify_one();
            if (failed) slot_freed_.notify_all();
        }
    }

    const size_t n_items_;
    const std::function<void(size_t, PipelineSlot &)> & make_;
    std::mutex mutex_;
    std::condition_variable slot_freed_;
    std::condition_variable item_made_;
    std::vector<Entry> entries_;  // item i in entry i % size
    size_t next_ = 0;             // item to be made
    size_t n_used_ = 0;
    std::vector<std::thread> threads_;
};

}  // namespace

void run_in_order(size_t n_items, size_t n_threads, const std::function<void(size_t, PipelineSlot &)> & make,
                  const std::function<void(size_t, const PipelineSlot &)> & use) {
    if (n_items > 0) Pipeline(n_items, n_threads, make).consume(use);
}

}  // namespace altclip

// The thread that owns a loaded model: jobs come in through a queue, compatible ones are computed together, results go
// out through each job's callbacks.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "model/model.h"
#include "runtime/compute.h"
#include "runtime/job.h"

namespace altclip {

class Engine {
public:
    /// `device`: "cpu" or a name of list_devices(). `n_threads` 0: n_default_threads(). Packs the weights for the
    /// kernels or uploads them. Throws out_of_memory, unsupported, internal (a driver's failure), aborted.
    Engine(Model model, const std::string & device, int n_threads, const AbortFlag & abort = {});
    ~Engine();

    const Hparams & hparams() const { return hparams_; }
    const std::string & device() const { return device_; }
    int n_threads() const { return n_threads_; }

    /// Checks the input on the calling thread (throws invalid_argument, or disposed) and queues it; the job's callbacks
    /// are called from the engine's thread.
    void submit(Job job);

    /// Aborts what runs, fails what waits with `disposed`, frees everything. From any thread, any number of times; each
    /// call returns when all is freed.
    void shut_down();

private:
    void run();
    std::deque<Job> take_batch();
    void process(std::deque<Job> batch);
    /// Jobs of a batch that failed: one of them may have been too much, which is no other's failure.
    void process_alone(const std::vector<Job *> & jobs);

    const Hparams hparams_;
    const std::string device_;
    const int n_threads_;
    std::unique_ptr<Model> model_;  // these two are the thread's own while it runs
    std::unique_ptr<Compute> compute_;

    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<Job> jobs_;
    std::atomic<bool> stopping_{false};
    std::mutex join_mutex_;
    std::thread thread_;
};

}  // namespace altclip

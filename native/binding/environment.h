// State of one JavaScript environment (the main thread or a worker): its way back to the event loop, its worker threads
// and the models it holds. No global is mutable; a cleanup hook ends what is running when the environment goes.
#pragma once

#include <napi.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "abort_flag.h"
#include "image/pixel_pool.h"
#include "runtime/worker_pool.h"

namespace altclip {

class Engine;

class Environment {
public:
    static Environment & of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

    explicit Environment(Napi::Env env);
    ~Environment();

    /// Runs `call` on the JavaScript thread; from any thread. Dropped when the environment is going.
    void post(std::function<void(Napi::Env)> call);

    /// Keeps the event loop alive while a promise is pending; on the JavaScript thread.
    void retain();
    void release();

    WorkerPool & workers() { return workers_; }
    PixelPool & pixels() { return *pixels_; }

    /// What ends with the environment: engines are shut down, flags set, so that long jobs stop at their next check.
    void add(const std::shared_ptr<Engine> & engine);
    void add(const AbortFlag & flag);

    /// Ends every engine and job and waits for their threads; nothing can be done here afterwards.
    void shut_down();

    /// This environment's constructor of a wrapped class, kept under the class's name by the file that defines it.
    Napi::FunctionReference & constructor(const std::string & name) { return constructors_[name]; }

private:
    struct Dispatch {
        static void call(Napi::Env env, Napi::Function, std::nullptr_t *, std::function<void(Napi::Env)> * data);
    };
    using Queue = Napi::TypedThreadSafeFunction<std::nullptr_t, std::function<void(Napi::Env)>, Dispatch::call>;

    Napi::Env env_;
    Queue queue_;
    int n_pending_ = 0;
    bool closing_ = false;
    std::map<std::string, Napi::FunctionReference> constructors_;
    std::vector<std::weak_ptr<Engine>> engines_;
    std::vector<std::weak_ptr<std::atomic<bool>>> flags_;
    std::shared_ptr<PixelPool> pixels_ = std::make_shared<PixelPool>();
    WorkerPool workers_;
};

}  // namespace altclip

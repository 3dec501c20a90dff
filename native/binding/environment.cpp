#include "binding/environment.h"

#include <algorithm>
#include <thread>

#include "runtime/engine.h"

namespace altclip {

namespace {

int n_workers() {
    return std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 2, 8);
}

/// Drops what is gone already, so that a long-lived environment does not collect husks.
template <typename T>
void remember(std::vector<std::weak_ptr<T>> & list, const std::shared_ptr<T> & one) {
    if (list.size() == list.capacity()) {
        list.erase(std::remove_if(list.begin(), list.end(), [](const auto & weak) { return weak.expired(); }),
                   list.end());
    }
    list.push_back(one);
}

}  // namespace

Environment::Environment(Napi::Env env) : env_(env), workers_(n_workers()) {
    queue_ = Queue::New(env, "altclip", 0, 1);
    queue_.Unref(env);
    // Hooks run last in, first out: ours ends every thread while the queue, whose own hook is older, still stands.
    env.AddCleanupHook([this] { shut_down(); });
}

Environment::~Environment() {
    shut_down();
}

void Environment::Dispatch::call(Napi::Env env, Napi::Function, std::nullptr_t *,
                                 std::function<void(Napi::Env)> * data) {
    const std::unique_ptr<std::function<void(Napi::Env)>> call(data);
    if (env == nullptr) return;  // the environment is going: nobody is left to hear
    const Napi::HandleScope scope(env);
    try {
        (*call)(env);
    } catch (const Napi::Error &
                 error) {  // a callback of the caller's threw: an uncaught exception, as in any event handler
        napi_fatal_exception(env, error.Value());
    }
}

void Environment::post(std::function<void(Napi::Env)> call) {
    auto data = std::make_unique<std::function<void(Napi::Env)>>(std::move(call));
    if (queue_.NonBlockingCall(data.get()) == napi_ok) data.release();
}

void Environment::retain() {
    if (n_pending_++ == 0) queue_.Ref(env_);
}

void Environment::release() {
    if (--n_pending_ == 0) queue_.Unref(env_);
}

void Environment::add(const std::shared_ptr<Engine> & engine) {
    remember(engines_, engine);
}

void Environment::add(const AbortFlag & flag) {
    remember(flags_, flag.state());
}

void Environment::shut_down() {
    if (closing_) return;
    closing_ = true;
    for (const auto & weak : flags_) {
        if (const auto flag = weak.lock()) flag->store(true);
    }
    for (const auto & weak : engines_) {
        if (const auto engine = weak.lock()) engine->shut_down();
    }
    workers_.shut_down();
}

}  // namespace altclip

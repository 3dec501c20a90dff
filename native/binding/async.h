// Work off the JavaScript thread: one worker template for every promise the addon returns.
#pragma once

#include <napi.h>

#include <exception>
#include <functional>
#include <memory>
#include <utility>

#include "binding/environment.h"
#include "binding/errors.h"

namespace altclip {

/// A promise that native threads settle. Made on the JavaScript thread; settle() may be called from any thread, once.
class PendingPromise {
public:
    using ToJs = std::function<Napi::Value(Napi::Env)>;

    explicit PendingPromise(Napi::Env env)
        : deferred_(Napi::Promise::Deferred::New(env)), environment_(Environment::of(env)) {
        environment_.retain();
    }
    Napi::Promise promise() const { return deferred_.Promise(); }

    void resolve(ToJs to_js) {
        post([deferred = deferred_, to_js = std::move(to_js)](Napi::Env env) {
            try {
                deferred.Resolve(to_js(env));
            } catch (const Napi::Error & error) {
                deferred.Reject(error.Value());
            } catch (...) {
                deferred.Reject(to_js_error(env, std::current_exception()));
            }
        });
    }
    void reject(std::exception_ptr error) {
        post([deferred = deferred_, error](Napi::Env env) { deferred.Reject(to_js_error(env, error)); });
    }

private:
    void post(std::function<void(Napi::Env)> settle) {
        environment_.post([settle = std::move(settle)](Napi::Env env) {
            settle(env);
            Environment::of(env).release();
        });
    }

    Napi::Promise::Deferred deferred_;
    Environment & environment_;
};

/// Runs `work()` on the environment's worker threads; the promise resolves with `to_js(env, work's result)`, made on
/// the JavaScript thread. Both are copied into the job: they must own what they use, and touch no JavaScript value in
/// work.
template <typename Work, typename ToJs>
Napi::Promise run_async(Napi::Env env, Work work, ToJs to_js) {
    auto pending = std::make_shared<PendingPromise>(env);
    auto run = [pending, work = std::move(work), to_js = std::move(to_js)]() mutable {
        try {
            auto result = std::make_shared<decltype(work())>(work());
            pending->resolve([result, to_js = std::move(to_js)](Napi::Env js) { return to_js(js, *result); });
        } catch (...) {
            pending->reject(std::current_exception());
        }
    };
    try {
        Environment::of(env).workers().submit(std::move(run));
    } catch (...) {
        pending->reject(std::current_exception());
    }
    return pending->promise();
}

/// Runs `body`, which gives a promise; what it throws becomes a rejected one.
template <typename Body>
Napi::Promise promised(Napi::Env env, Body body) {
    try {
        return body();
    } catch (const Napi::Error &) {
        throw;
    } catch (...) {
        const auto deferred = Napi::Promise::Deferred::New(env);
        deferred.Reject(to_js_error(env, std::current_exception()));
        return deferred.Promise();
    }
}

}  // namespace altclip

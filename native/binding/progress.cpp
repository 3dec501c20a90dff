#include "binding/progress.h"

#include <chrono>
#include <memory>
#include <mutex>

#include "binding/environment.h"
#include "error.h"

namespace altclip {

namespace {

class Reporter {
public:
    explicit Reporter(const Napi::Function & function)
        : environment_(Environment::of(function.Env())),
          function_(std::make_shared<Napi::FunctionReference>(Napi::Persistent(function))) {}
    ~Reporter() {
        // the reference may go on the JavaScript thread alone
        environment_.post([function = std::move(function_)](Napi::Env) {});
    }

    void report(double done, double total) {
        const auto now = std::chrono::steady_clock::now();
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            if (done < total && now < next_) return;
            next_ = now + std::chrono::milliseconds(50);
        }
        environment_.post([function = function_, done, total](Napi::Env env) {
            function->Call({Napi::Number::New(env, done), Napi::Number::New(env, total)});
        });
    }

private:
    Environment & environment_;
    std::shared_ptr<Napi::FunctionReference> function_;
    std::mutex mutex_;
    std::chrono::steady_clock::time_point next_{};
};

}  // namespace

Progress progress_of(const Napi::Value & value) {
    if (value.IsUndefined()) return nullptr;
    if (!value.IsFunction()) fail(ErrorCode::invalid_argument, "onProgress: expected a function");
    const auto reporter = std::make_shared<Reporter>(value.As<Napi::Function>());
    return [reporter](double done, double total) { reporter->report(done, total); };
}

}  // namespace altclip

#include "runtime/engine.h"

#include <algorithm>
#include <utility>

#include "runtime/machine.h"
#include "runtime/tower_runner.h"

namespace altclip {

namespace {

[[noreturn]] void fail_disposed() {
    fail(ErrorCode::disposed, "the model has been disposed");
}

std::exception_ptr error(ErrorCode code, const char * message) {
    return std::make_exception_ptr(Error(code, message));
}

bool is_text(const Job & job) {
    return std::holds_alternative<TextInput>(job.input);
}

/// Whether two jobs can be computed together.
bool compatible(const Job & a, const Job & b) {
    if (!(a.wanted == b.wanted) || is_text(a) != is_text(b)) return false;
    return is_text(a) || (a.image().height == b.image().height && a.image().width == b.image().width);
}

int64_t n_tokens(const Job & job, const Hparams & hparams) {
    if (is_text(job)) return job.text().n_rows * job.text().n_columns;
    return job.image().n_images * (1 + job.image().n_patches(*hparams.vision));
}

}  // namespace

Engine::Engine(Model model, const std::string & device, int n_threads, const AbortFlag & abort)
    : hparams_(model.hparams),
      device_(device),
      n_threads_(n_threads > 0 ? n_threads : n_default_threads()),
      model_(std::make_unique<Model>(std::move(model))),
      compute_(make_compute(device_, n_threads_, model_->dtype == "f32")) {
    compute_->prepare(*model_, abort);
    if (model_->text) reserve_text(*model_, *compute_);
    if (model_->vision) reserve_image(*model_, *compute_);
    thread_ = std::thread([this] { run(); });
}

Engine::~Engine() {
    shut_down();
}

void Engine::submit(Job job) {
    if (job.wanted.features && hparams_.projection_dim == 0) {
        fail(ErrorCode::invalid_argument, "this model was saved without its projection, so it has no features");
    }
    if (is_text(job)) {
        if (!hparams_.text) fail(ErrorCode::invalid_argument, "this model was loaded without its text tower");
        std::get<TextInput>(job.input).prepare(*hparams_.text);
    } else {
        if (!hparams_.vision) fail(ErrorCode::invalid_argument, "this model was loaded without its vision tower");
        job.image().check(*hparams_.vision);
    }
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (stopping_) fail_disposed();
        jobs_.push_back(std::move(job));
    }
    wake_.notify_one();
}

void Engine::shut_down() {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_one();
    const std::lock_guard<std::mutex> lock(join_mutex_);
    if (thread_.joinable()) thread_.join();
}

std::deque<Job> Engine::take_batch() {
    std::deque<Job> batch;
    std::unique_lock<std::mutex> lock(mutex_);
    wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (stopping_) return batch;
    batch.push_back(std::move(jobs_.front()));
    jobs_.pop_front();
    int64_t budget = compute_->batch_tokens() - n_tokens(batch.front(), hparams_);
    for (auto job = jobs_.begin(); job != jobs_.end() && budget > 0;) {
        const int64_t n = n_tokens(*job, hparams_);
        if (n > budget || !compatible(*job, batch.front())) {
            ++job;
            continue;
        }
        budget -= n;
        batch.push_back(std::move(*job));
        job = jobs_.erase(job);
    }
    return batch;
}

void Engine::process(std::deque<Job> batch) {
    std::vector<Job *> live;
    for (Job & job : batch) {
        if (job.abort.aborted()) {
            job.failed(error(ErrorCode::aborted, "the operation was aborted"));
        } else {
            live.push_back(&job);
        }
    }
    if (live.empty()) return;
    const auto aborted = [&] {
        return stopping_ || std::all_of(live.begin(), live.end(), [](const Job * job) { return job->abort.aborted(); });
    };
    try {
        (is_text(*live[0]) ? run_text_jobs : run_image_jobs)(*model_, *compute_, live, aborted);
    } catch (...) {
        if (live.size() > 1 && !aborted()) return process_alone(live);
        const std::exception_ptr reason =
            stopping_ ? error(ErrorCode::disposed, "the model was disposed while it worked") : std::current_exception();
        for (const Job * job : live) job->failed(reason);
        return;
    }
    for (Job * job : live) job->done(std::move(job->output));
}

void Engine::process_alone(const std::vector<Job *> & jobs) {
    for (Job * job : jobs) {
        std::deque<Job> alone;
        alone.push_back(std::move(*job));
        process(std::move(alone));
    }
}

void Engine::run() {
    while (!stopping_) {
        std::deque<Job> batch = take_batch();
        if (!batch.empty()) process(std::move(batch));
    }
    std::deque<Job> waiting;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        waiting.swap(jobs_);
    }
    for (const Job & job : waiting)
        job.failed(error(ErrorCode::disposed, "the model was disposed before it got to this call"));
    compute_.reset();
    model_.reset();
}

}  // namespace altclip

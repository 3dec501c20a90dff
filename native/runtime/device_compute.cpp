#include "runtime/device_compute.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <new>
#include <system_error>

#include "error.h"
#include "ggml-alloc.h"
#include "runtime/device_failure.h"
#include "runtime/device_start.h"

namespace altclip {

namespace {

/// Sixty-four pictures of ViT-L/14: beyond that a GPU gains nothing.
constexpr int64_t device_batch_tokens = 64 * 257;
constexpr size_t max_slots = 8;
/// What other programs, the driver and the backend's own scratch are left with.
constexpr double usable_memory = 0.9;
/// The least that every Vulkan device can bind at once: a refused operator whose tensors are smaller is no matter of
/// size.
constexpr size_t always_bindable = size_t(1) << 27;

double megabytes(double n_bytes) {
    return std::ceil(n_bytes / (1 << 20));
}

/// Whether a driver's exception says that memory ran out: VkResult -1 (host) and -2 (device).
bool is_memory_failure(const std::system_error & error) {
    const int code = error.code().value();
    return code == -1 || code == -2;
}

/// Bytes free on a device; some do not tell.
std::pair<double, double> free_and_total(const Device & device) {
    size_t free = 0, total = 0;
    ggml_backend_dev_memory(device.handle, &free, &total);
    if (total == 0) return {HUGE_VAL, HUGE_VAL};
    return {static_cast<double>(free), static_cast<double>(total)};
}

size_t largest_tensor(const ggml_tensor * node) {
    size_t most = ggml_nbytes(node);
    for (const ggml_tensor * source : node->src) {
        if (source) most = std::max(most, ggml_nbytes(source));
    }
    return most;
}

}  // namespace

template <typename Work>
void DeviceCompute::guarded(const char * what, Work work) {
    if (!failure_.empty()) fail(ErrorCode::internal, device_.name, " has failed, load the model again: ", failure_);
    const ThrowingChecks throwing;
    try {
        work();
    } catch (const Error &) {
        throw;
    } catch (const std::system_error & error) {
        fail_device(what, error.what(), is_memory_failure(error));
    } catch (const std::bad_alloc &) {
        throw;
    } catch (const std::exception & error) {
        fail_device(what, error.what(), std::string(error.what()).find("out of memory") != std::string::npos);
    }
}

void DeviceCompute::fail_device(const char * what, const std::string & reason, bool memory) {
    if (memory) {
        restart();
    } else {
        failure_ = reason;
    }
    fail(memory ? ErrorCode::out_of_memory : ErrorCode::internal, device_.name, " (", device_.description, ") ", what,
         ": ", reason);
}

void DeviceCompute::restart() {
    failure_ = "it did not start again";
    backend_.reset();  // waits for what the device still computes, before the memory of that goes
    allocator_.reset(ggml_gallocr_new(buffer_type_));
    backend_ = start_device(device_, in_f32_);
    failure_.clear();
}

DeviceCompute::DeviceCompute(const Device & device, int n_threads, bool in_f32)
    : device_(device),
      in_f32_(in_f32),
      backend_(start_device(device, in_f32)),
      buffer_type_(ggml_backend_get_default_buffer_type(backend_.get())),
      allocator_(ggml_gallocr_new(buffer_type_)) {
    execution_.n_threads = n_threads;
    execution_.on_device = true;
    batch_tokens_ = device_batch_tokens;
}

DeviceCompute::~DeviceCompute() {
    if (failure_.empty()) return;
    // a lost device throws when it is freed, which a destructor must not: what is left goes with the process
    static_cast<void>(allocator_.release());
    static_cast<void>(weights_.release());
    static_cast<void>(backend_.release());
}

bool DeviceCompute::supports(ggml_tensor * node) const {
    return ggml_backend_dev_supports_op(device_.handle, node);
}

void DeviceCompute::prepare(Model & model, const AbortFlag & abort) {
    expect_rows(model, device_.name);
    guarded("cannot take the weights", [&] {
        choose_operators(model);
        upload(model, abort);
    });
}

void DeviceCompute::choose_operators(const Model & model) {
    const size_t alignment = ggml_backend_buft_get_alignment(buffer_type_);
    execution_.flash_attention = true;
    const auto probe = [&](const EncoderHparams & p) {
        if (static_cast<size_t>(p.n_embd) * sizeof(float) % alignment != 0) {
            fail(ErrorCode::unsupported, "device: ", device_.name, " cannot take rows of ", p.n_embd,
                 " values, only of multiples of ", alignment / sizeof(float));
        }
        const ggml_context_ptr context(ggml_init({8 * ggml_tensor_overhead(), nullptr, true}));
        const int64_t n_embd_head = p.n_embd / p.n_head;
        const auto heads = [&] {
            return ggml_new_tensor_4d(context.get(), GGML_TYPE_F32, n_embd_head, 2, p.n_head, 1);
        };
        ggml_tensor * q = heads();
        ggml_tensor * k = heads();
        ggml_tensor * attention = ggml_flash_attn_ext(context.get(), q, k, heads(), nullptr, 1.0f, 0.0f, 0.0f);
        ggml_prec_set_acc(attention, GGML_PREC_F32);
        execution_.flash_attention = execution_.flash_attention && supports(attention);
    };
    if (model.hparams.vision) probe(*model.hparams.vision);
    if (!model.hparams.text) return;
    probe(*model.hparams.text);
    const ggml_context_ptr context(ggml_init({4 * ggml_tensor_overhead(), nullptr, true}));
    ggml_tensor * indices = ggml_new_tensor_1d(context.get(), GGML_TYPE_I32, 1);
    execution_.host_lookup = !supports(ggml_get_rows(context.get(), model.text->token_embd, indices));
}

void DeviceCompute::upload(Model & model, const AbortFlag & abort) {
    struct Source {
        ggml_tensor * tensor;
        const uint8_t * data;
        bool is_mapped;
    };
    std::vector<Source> sources;
    for (ggml_tensor * t = ggml_get_first_tensor(model.context.get()); t;
         t = ggml_get_next_tensor(model.context.get(), t)) {
        if (execution_.host_lookup && t == model.text->token_embd) continue;
        sources.push_back({t, static_cast<const uint8_t *>(t->data), t->buffer == model.buffer.get()});
        t->data = nullptr;
        t->buffer = nullptr;
    }
    const auto n_bytes =
        static_cast<double>(ggml_backend_alloc_ctx_tensors_from_buft_size(model.context.get(), buffer_type_));
    const auto [free, total] = free_and_total(device_);
    if (n_bytes <= free * usable_memory)
        weights_.reset(ggml_backend_alloc_ctx_tensors_from_buft(model.context.get(), buffer_type_));
    if (!weights_) {
        const auto largest = static_cast<double>(ggml_backend_buft_get_max_size(buffer_type_));
        fail(ErrorCode::out_of_memory, "device: the weights need ", megabytes(n_bytes), " MB of memory on ",
             device_.name, " (", device_.description, "), which has ", megabytes(free), " MB free of ",
             megabytes(total), ", in buffers of at most ", megabytes(std::min(largest, total)));
    }
    ggml_backend_buffer_set_usage(weights_.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    for (const auto & [tensor, source, is_mapped] : sources) {
        abort.throw_if_aborted();
        const size_t n = ggml_nbytes(tensor);
        ggml_backend_tensor_set(tensor, source, 0, n);
        if (is_mapped) model.file->forget(source, source + n);
    }
    model.values.reset();
}

std::vector<std::byte> & DeviceCompute::metadata(const GraphShape & shape) {
    const auto found = std::find_if(slots_.begin(), slots_.end(), [&](const Slot & s) { return s.shape == shape; });
    if (found != slots_.end()) {
        slots_.splice(slots_.begin(), slots_, found);
    } else if (slots_.size() < max_slots) {
        slots_.push_front({shape, {}, false});
    } else {
        slots_.splice(slots_.begin(), slots_, std::prev(slots_.end()));
        slots_.front().shape = shape;
        slots_.front().admitted = false;
    }
    return slots_.front().metadata;
}

size_t DeviceCompute::needed_memory(ggml_cgraph * graph) const {
    // measuring leaves an allocator believing that it has what it measured: use another one
    const ggml_gallocr_ptr measure(ggml_gallocr_new(buffer_type_));
    size_t n_bytes = 0;
    ggml_gallocr_reserve_n_size(measure.get(), graph, nullptr, nullptr, &n_bytes);
    return n_bytes;
}

void DeviceCompute::check(ggml_cgraph * graph) {
    const size_t largest_buffer = ggml_backend_buft_get_max_size(buffer_type_);
    for (int i = 0; i < ggml_graph_n_nodes(graph); ++i) {
        ggml_tensor * node = ggml_graph_node(graph, i);
        if (supports(node)) continue;
        const bool too_large = largest_tensor(node) > std::min(always_bindable, largest_buffer);
        fail(too_large ? ErrorCode::out_of_memory : ErrorCode::unsupported, "device: ", device_.name, " (",
             device_.description, ") cannot compute ", ggml_op_desc(node), " of ", ggml_type_name(node->src[0]->type),
             " [", node->ne[0], ", ", node->ne[1], ", ", node->ne[2], ", ", node->ne[3], "]",
             too_large ? "; pass smaller batches or pictures, or ask for fewer outputs" : "");
    }
    const auto n_bytes = static_cast<double>(needed_memory(graph));
    const auto n_have = static_cast<double>(ggml_gallocr_get_buffer_size(allocator_.get(), 0));
    if (n_bytes <= n_have) return;
    const double free = free_and_total(device_).first;
    if (n_bytes - n_have <= free * usable_memory) return;
    fail(ErrorCode::out_of_memory, "device: this input needs ", megabytes(n_bytes), " MB of memory on ", device_.name,
         " (", device_.description, "), which has ", megabytes(free + n_have),
         " MB; pass smaller batches or pictures, or ask for fewer outputs");
}

void DeviceCompute::reserve(const GraphBuilder & builder) {
    guarded("cannot reserve memory", [&] {
        check(builder.graph());
        if (ggml_gallocr_reserve(allocator_.get(), builder.graph())) return;
        allocator_.reset(ggml_gallocr_new(buffer_type_));  // the old one believes that it has the memory
        fail(ErrorCode::out_of_memory, "device: no memory for the work buffer on ", device_.name);
    });
}

void DeviceCompute::run(const GraphBuilder & builder, const std::function<bool()> & aborted) {
    if (aborted()) fail(ErrorCode::aborted, "the operation was aborted");
    guarded("failed", [&] {
        // Mesa 22.3's lavapipe follows descriptors of freed buffers that earlier graphs left in ggml's sets, although
        // no operator of this graph uses them (25.0's does not): let each graph have sets of its own
        if (device_.kind == DeviceKind::software) backend_ = start_device(device_, in_f32_);
        Slot & slot = slots_.front();
        if (!slot.admitted) check(builder.graph());
        if (!ggml_gallocr_alloc_graph(allocator_.get(), builder.graph())) {
            allocator_.reset(ggml_gallocr_new(buffer_type_));
            fail(ErrorCode::out_of_memory, "device: no memory for the work buffer of this input on ", device_.name);
        }
        slot.admitted = true;
        builder.upload();
        const ggml_status status = ggml_backend_graph_compute(backend_.get(), builder.graph());
        if (status == GGML_STATUS_ALLOC_FAILED)
            fail(ErrorCode::out_of_memory, "device: no memory for the operators' scratch on ", device_.name);
        if (status != GGML_STATUS_SUCCESS) fail(ErrorCode::internal, device_.name, ": ", ggml_status_to_string(status));
    });
    if (aborted()) fail(ErrorCode::aborted, "the operation was aborted");
}

const float * DeviceCompute::read(const ggml_tensor * tensor) {
    staging_.resize(static_cast<size_t>(ggml_nelements(tensor)));
    guarded("gives no results",
            [&] { ggml_backend_tensor_get(tensor, staging_.data(), 0, staging_.size() * sizeof(float)); });
    return staging_.data();
}

}  // namespace altclip

// Our matrix products beside what the machine multiplies at most (peak.h) and beside ggml's own, taking turns:
//
//   bench_kernels [--threads 2] [--rounds 9] [--types f32,q8_0] [k,m,n ...]
//
// A product is n tokens of k inputs by m outputs, packing of the activations and bias included. Both sides run as nodes
// of ggml graphs, as in the towers. Products of few tokens go through many copies of the weights, which then come from
// memory as they do in a tower. Figures are medians over the rounds.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "ggml-alloc.h"
#include "ggml-backend.h"
#include "ggml-cpp.h"
#include "ggml-cpu.h"
#include "kernels/huge_pages.h"
#include "kernels/linear.h"
#include "peak.h"

namespace altclip::bench {

namespace {

struct Shape {
    int64_t k, m, n;
};

struct Options {
    int n_threads = 1;
    int n_rounds = 9;
    std::vector<ggml_type> types = {GGML_TYPE_F32,  GGML_TYPE_F16,  GGML_TYPE_BF16, GGML_TYPE_Q8_0,
                                    GGML_TYPE_Q6_K, GGML_TYPE_Q5_K, GGML_TYPE_Q4_K, GGML_TYPE_Q4_0};
    // the products of ViT-L/14 and XLM-R-large (one picture; texts), and those of ViT-H/14
    std::vector<Shape> shapes = {{1024, 4096, 257}, {1024, 3072, 257}, {1024, 1024, 257}, {4096, 1024, 257},
                                 {1280, 5120, 257}, {1024, 4096, 384}, {1024, 4096, 12},  {4096, 1024, 12}};
};

double seconds(const std::function<void()> & work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

void compute_pack(ggml_tensor * dst, int ith, int nth, void * userdata) {
    const auto & task = *static_cast<const LinearTask *>(userdata);
    const ggml_tensor * x = dst->src[0];
    pack_rows(*task.kernels, task.operand, static_cast<const float *>(x->data), x->ne[0], x->ne[1], x->ne[0],
              static_cast<float *>(dst->data), ith, nth);
}

void compute_linear(ggml_tensor * dst, int, int, void * userdata) {
    run_linear(*static_cast<LinearTask *>(userdata), static_cast<const float *>(dst->src[0]->data), dst->ne[1], nullptr,
               0, static_cast<float *>(dst->data), dst->ne[0]);
}

/// The chain on all threads of the backend.
class Peak {
public:
    Peak(ggml_backend_t backend, Chain chain, int n_threads)
        : backend_(backend), chain_(chain), n_operations_(n_threads * n_steps * chain(1)) {
        context_.reset(ggml_init({ggml_tensor_overhead() * 2 + 64 + ggml_graph_overhead(), nullptr, false}));
        graph_ = ggml_new_graph(context_.get());
        ggml_build_forward_expand(graph_, ggml_custom_4d(context_.get(), GGML_TYPE_F32, 1, 1, 1, 1, nullptr, 0, compute,
                                                         GGML_N_TASKS_MAX, this));
    }

    /// Billions of operations a second of all threads together.
    double rate() const {
        return static_cast<double>(n_operations_) / seconds([this] { ggml_backend_graph_compute(backend_, graph_); }) *
               1e-9;
    }

private:
    static constexpr int64_t n_steps = 2000000;
    static void compute(ggml_tensor *, int, int, void * self) { static_cast<const Peak *>(self)->chain_(n_steps); }

    ggml_backend_t backend_;
    Chain chain_;
    int64_t n_operations_;
    ggml_context_ptr context_;
    ggml_cgraph * graph_;
};

/// One shape and type: two graphs of products of the same activations by `n_copies` weights.
class Product {
public:
    Product(ggml_backend_t backend, const Shape & shape, ggml_type type, Operand operand, int n_threads)
        : backend_(backend), shape_(shape), operand_(operand), n_threads_(n_threads) {
        const size_t n_bytes = ggml_row_size(type, shape.k) * static_cast<size_t>(shape.m);
        constexpr size_t more_than_caches = 128 << 20;
        n_copies_ = shape.n < 64 ? more_than_caches / n_bytes + 1 : 1;
        context_.reset(ggml_init(
            {ggml_tensor_overhead() * (n_copies_ * 8 + 8) + 3 * ggml_graph_overhead_custom(n_copies_ * 4 + 8, false),
             nullptr, true}));
        ggml_context * ctx = context_.get();
        ggml_tensor * x = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, shape.k, shape.n);
        ggml_tensor * bias = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, shape.m);
        std::vector<ggml_tensor *> weights;
        for (size_t i = 0; i < n_copies_; ++i) weights.push_back(ggml_new_tensor_2d(ctx, type, shape.k, shape.m));
        inputs_.reset(ggml_backend_alloc_ctx_tensors(ctx, backend));
        fill(x, weights, bias);

        ours_ = ggml_new_graph_custom(ctx, n_copies_ * 4 + 8, false);
        ggmls_ = ggml_new_graph_custom(ctx, n_copies_ * 4 + 8, false);
        for (size_t i = 0; i < n_copies_; ++i) {
            ggml_build_forward_expand(ours_, our_product(ctx, x, weights[i], bias));
            ggml_build_forward_expand(ggmls_, ggml_add(ctx, ggml_mul_mat(ctx, weights[i], x), bias));
        }
        for (ggml_cgraph * graph : {ours_, ggmls_}) {
            allocators_.emplace_back(ggml_gallocr_new(ggml_backend_cpu_buffer_type()));
            ggml_gallocr_alloc_graph(allocators_.back().get(), graph);
        }
    }

    /// Billions of operations a second.
    double ours() {
        for (LinearTask & task : tasks_) task.next = 0;
        return rate(ours_);
    }
    double ggmls() { return rate(ggmls_); }

private:
    void fill(ggml_tensor * x, const std::vector<ggml_tensor *> & weights, ggml_tensor * bias) {
        std::mt19937 random(1);
        std::normal_distribution<float> normal(0.0f, 0.05f);
        std::vector<float> values(static_cast<size_t>(shape_.k * std::max(shape_.m, shape_.n)));
        for (float & value : values) value = normal(random);
        ggml_backend_tensor_set(x, values.data(), 0, ggml_nbytes(x));
        ggml_backend_tensor_set(bias, values.data(), 0, ggml_nbytes(bias));
        std::vector<std::byte> rows(ggml_nbytes(weights[0]));
        ggml_quantize_chunk(weights[0]->type, values.data(), rows.data(), 0, shape_.m, shape_.k, nullptr);
        for (ggml_tensor * weight : weights) ggml_backend_tensor_set(weight, rows.data(), 0, rows.size());
    }

    ggml_tensor * our_product(ggml_context * ctx, ggml_tensor * x, ggml_tensor * weight, ggml_tensor * bias) {
        const KernelTable & kernels = kernel_table(best_isa());
        packed_.emplace_back(weight->type, shape_.k, shape_.m,
                             huge_pages(PackedWeight::n_bytes(weight->type, shape_.k, shape_.m)));
        packed_.back().pack(weight->data, 0, packed_.back().n_tiles());
        LinearTask & task = tasks_.emplace_back();
        task.kernels = &kernels;
        task.n_threads = n_threads_;
        task.parts[0] = {&packed_.back(), static_cast<const float *>(bias->data), 0};
        task.operand = operand_;
        const int64_t n_packed = packed_rows_size(kernels, operand_, shape_.k, shape_.n);
        ggml_tensor * rows =
            ggml_custom_4d(ctx, GGML_TYPE_F32, n_packed, 1, 1, 1, &x, 1, compute_pack, GGML_N_TASKS_MAX, &task);
        return ggml_custom_4d(ctx, GGML_TYPE_F32, shape_.m, shape_.n, 1, 1, &rows, 1, compute_linear, GGML_N_TASKS_MAX,
                              &task);
    }

    double rate(ggml_cgraph * graph) const {
        const double n_operations =
            2.0 * static_cast<double>(shape_.k * shape_.m * shape_.n) * static_cast<double>(n_copies_);
        return n_operations / seconds([&] { ggml_backend_graph_compute(backend_, graph); }) * 1e-9;
    }

    ggml_backend_t backend_;
    Shape shape_;
    Operand operand_;
    int n_threads_;
    size_t n_copies_;
    ggml_context_ptr context_;
    ggml_backend_buffer_ptr inputs_;
    std::vector<ggml_gallocr_ptr> allocators_;
    std::deque<PackedWeight> packed_;
    std::deque<LinearTask> tasks_;
    ggml_cgraph * ours_;
    ggml_cgraph * ggmls_;
};

const char * name_of(Operand operand) {
    switch (operand) {
        case Operand::f32: return "f32";
        case Operand::i16: return "i16";
        case Operand::bytes: return "bytes";
        case Operand::i8: return "i8";
        case Operand::bf16: return "bf16";
    }
    return "?";
}

Chain chain_of(Operand operand) {
    const Chains peaks = chains(best_isa());
    switch (operand) {
        case Operand::f32: return peaks.f32;
        case Operand::i16: return peaks.integer;
        case Operand::i8: return peaks.bytes;
        case Operand::bf16: return peaks.bf16;
        default: return nullptr;
    }
}

void measure_product(ggml_backend_t backend, const Shape & shape, ggml_type type, Operand operand,
                     const Options & options) {
    Product product(backend, shape, type, operand, options.n_threads);
    product.ours();
    product.ggmls();
    std::optional<Peak> peak;
    if (const Chain instructions = chain_of(operand)) peak.emplace(backend, instructions, options.n_threads);
    std::vector<double> ours, ggmls, most;
    for (int round = 0; round < options.n_rounds; ++round) {
        ours.push_back(product.ours());
        ggmls.push_back(product.ggmls());
        most.push_back(peak ? peak->rate() : 0);
    }
    const double rate = median(ours), limit = median(most);
    std::printf("%-6s %-6s %8.1f %8.1f %8.1f %8.1f %10.2f\n", ggml_type_name(type), name_of(operand), rate, limit,
                limit > 0 ? 100 * rate / limit : 0.0, median(ggmls), rate / median(ggmls));
    std::fflush(stdout);
}

void measure(ggml_backend_t backend, const Shape & shape, const Options & options) {
    std::printf("\nk %lld, m %lld, n %lld\n%-6s %-6s %8s %8s %8s %8s %10s\n", static_cast<long long>(shape.k),
                static_cast<long long>(shape.m), static_cast<long long>(shape.n), "type", "takes", "GFLOPS", "peak",
                "% of it", "ggml", "times ggml");
    for (const ggml_type type : options.types) {
        if (shape.k % ggml_blck_size(type) != 0) continue;
        const Operand fine = operand_of(kernel_table(best_isa()), type, Precision::fine),
                      coarse = operand_of(kernel_table(best_isa()), type, Precision::coarse);
        measure_product(backend, shape, type, fine, options);
        if (coarse != fine) measure_product(backend, shape, type, coarse, options);
    }
}

std::vector<std::string> split(const std::string & list) {
    std::vector<std::string> parts;
    std::istringstream stream(list);
    for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
    return parts;
}

ggml_type type_of(const std::string & name) {
    for (int type = 0; type < GGML_TYPE_COUNT; ++type) {
        const char * known = ggml_type_name(static_cast<ggml_type>(type));
        if (known && name == known) return static_cast<ggml_type>(type);
    }
    std::fprintf(stderr, "%s: expected a type as ggml names it: f32, q8_0, q4_K, ...\n", name.c_str());
    std::exit(2);
}

Options parse(int argc, char ** argv) {
    Options options;
    std::vector<Shape> shapes;
    for (int i = 1; i < argc; ++i) {
        const std::string argument = argv[i], value = i + 1 < argc ? argv[i + 1] : "";
        if (argument == "--threads") {
            options.n_threads = std::max(1, std::atoi(value.c_str())), ++i;
        } else if (argument == "--rounds") {
            options.n_rounds = std::max(1, std::atoi(value.c_str())), ++i;
        } else if (argument == "--types") {
            options.types.clear(), ++i;
            for (const std::string & name : split(value)) options.types.push_back(type_of(name));
        } else {
            const std::vector<std::string> sizes = split(argument);
            Shape shape{};
            if (sizes.size() == 3)
                shape = {std::atoll(sizes[0].c_str()), std::atoll(sizes[1].c_str()), std::atoll(sizes[2].c_str())};
            if (shape.k < 1 || shape.m < 1 || shape.n < 1) {
                std::fprintf(stderr, "%s: expected inputs,outputs,tokens\n", argument.c_str());
                std::exit(2);
            }
            shapes.push_back(shape);
        }
    }
    if (!shapes.empty()) options.shapes = shapes;
    return options;
}

void run(const Options & options) {
    const ggml_backend_ptr backend(ggml_backend_cpu_init());
    ggml_backend_cpu_set_n_threads(backend.get(), options.n_threads);
    std::printf("%s, %d thread%s, %d rounds\n", isa_name(best_isa()), options.n_threads,
                options.n_threads > 1 ? "s" : "", options.n_rounds);
    for (const Shape & shape : options.shapes) measure(backend.get(), shape, options);
}

}  // namespace

}  // namespace altclip::bench

int main(int argc, char ** argv) {
    altclip::bench::run(altclip::bench::parse(argc, argv));
}

// Our matrix products beside what the machine multiplies at most (peak.h) and beside ggml's own, taking turns:
//
//   bench_kernels [--threads 2] [--rounds 9] [--types f32,q8_0] [k,m,n ...]
//
// First the functions alone, on one thread with operands in its caches (core.h), best of their rounds and of the
// peak's. Then whole products: n tokens of k inputs by m outputs with a bias, alone, as a tower's norms and first MLP
// layers hand their rows on packed, and with the packing of the activations. Both sides run as nodes of ggml graphs, as
// in the towers, several in a graph. Products of few tokens go through many copies of the weights, which then come from
// memory as they do in a tower. Figures are medians over the rounds.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "core.h"
#include "peak.h"
#include "product.h"

namespace altclip::bench {

namespace {

struct Options {
    int n_threads = 1;
    int n_rounds = 9;
    std::vector<ggml_type> types = {GGML_TYPE_F32,  GGML_TYPE_F16,  GGML_TYPE_BF16, GGML_TYPE_Q8_0,
                                    GGML_TYPE_Q6_K, GGML_TYPE_Q5_K, GGML_TYPE_Q4_K, GGML_TYPE_Q4_0};
    // the products of ViT-L/14 and XLM-R-large (one picture; texts), and those of ViT-H/14
    std::vector<Shape> shapes = {{1024, 4096, 257}, {1024, 3072, 257}, {1024, 1024, 257}, {4096, 1024, 257},
                                 {1280, 5120, 257}, {1024, 4096, 384}, {1024, 4096, 12},  {4096, 1024, 12}};
};

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
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
    product.alone();
    product.ours();
    product.ggmls();
    std::optional<Peak> peak;
    if (const Chain instructions = chain_of(operand)) peak.emplace(backend, instructions, options.n_threads);
    std::vector<double> alone, ours, ggmls, most;
    for (int round = 0; round < options.n_rounds; ++round) {
        alone.push_back(product.alone());
        ours.push_back(product.ours());
        ggmls.push_back(product.ggmls());
        most.push_back(peak ? peak->rate() : 0);
    }
    const double rate = median(ours), limit = median(most), product_rate = median(alone);
    const double percent = limit > 0 ? 100 / limit : 0;
    std::printf("%-6s %-6s %8.1f %8.1f %8.1f %8.1f %9.1f %8.1f %10.2f\n", ggml_type_name(type), name_of(operand), limit,
                product_rate, percent * product_rate, rate, percent * rate, median(ggmls), rate / median(ggmls));
    std::fflush(stdout);
}

/// What products with weights of this type take, fine and coarse.
std::vector<Operand> operands_of(ggml_type type) {
    const KernelTable & kernels = kernel_table(best_isa());
    const Operand fine = operand_of(kernels, type, Precision::fine),
                  coarse = operand_of(kernels, type, Precision::coarse);
    if (coarse == fine) return {fine};
    return {fine, coarse};
}

void measure_cores(const Options & options) {
    std::printf("\none thread, in its caches\n%-6s %-6s %8s %8s %8s\n", "type", "takes", "peak", "GFLOPS", "% of it");
    for (const ggml_type type : options.types) {
        for (const Operand operand : operands_of(type)) {
            const Chain instructions = chain_of(operand);
            if (!instructions) continue;
            constexpr int64_t n_steps = 20000;
            double least = 1e9;
            for (int round = 0; round < 100; ++round) least = std::min(least, seconds([&] { instructions(n_steps); }));
            const double peak = static_cast<double>(n_steps * instructions(1)) / least * 1e-9,
                         rate = core_rate(kernel_table(best_isa()), type, operand);
            std::printf("%-6s %-6s %8.1f %8.1f %8.1f\n", ggml_type_name(type), name_of(operand), peak, rate,
                        100 * rate / peak);
        }
    }
}

void measure(ggml_backend_t backend, const Shape & shape, const Options & options) {
    std::printf("\nk %lld, m %lld, n %lld\n%-6s %-6s %8s %8s %8s %8s %9s %8s %10s\n", static_cast<long long>(shape.k),
                static_cast<long long>(shape.m), static_cast<long long>(shape.n), "type", "takes", "peak", "alone",
                "% of it", "packing", "% of peak", "ggml", "times ggml");
    for (const ggml_type type : options.types) {
        if (shape.k % ggml_blck_size(type) != 0) continue;
        for (const Operand operand : operands_of(type)) measure_product(backend, shape, type, operand, options);
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
    // without a pool of its own a graph starts threads each time
    ggml_threadpool_params pool = ggml_threadpool_params_default(options.n_threads);
    const std::unique_ptr<ggml_threadpool, void (*)(ggml_threadpool *)> threads(ggml_threadpool_new(&pool),
                                                                                ggml_threadpool_free);
    const ggml_backend_ptr backend(ggml_backend_cpu_init());
    ggml_backend_cpu_set_n_threads(backend.get(), options.n_threads);
    ggml_backend_cpu_set_threadpool(backend.get(), threads.get());
    std::printf("%s, %d thread%s, %d rounds\n", isa_name(best_isa()), options.n_threads,
                options.n_threads > 1 ? "s" : "", options.n_rounds);
    measure_cores(options);
    for (const Shape & shape : options.shapes) measure(backend.get(), shape, options);
}

}  // namespace

}  // namespace altclip::bench

int main(int argc, char ** argv) {
    altclip::bench::run(altclip::bench::parse(argc, argv));
}

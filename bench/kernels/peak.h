// What the machine multiplies at most: chains of multiply-adds between registers, as our products would run them if
// loads, stores and everything else were free.
#pragma once

#include <cstdint>
#include <utility>

#include "kernels/isa.h"

namespace altclip::bench {

/// Runs n_steps rounds of independent multiply-adds and says how many operations those were, a multiplication and an
/// addition being two.
using Chain = int64_t (*)(int64_t n_steps);

/// The instructions of our products; absent where they have none such.
struct Chains {
    Chain f32 = nullptr;
    Chain integer = nullptr;  // pairs of 16-bit integers into 32 bits
    Chain bytes = nullptr;    // fours of 8-bit integers into 32 bits
    Chain bf16 = nullptr;     // pairs of bf16 into f32
};

Chains chains(Isa isa);
Chains avx2_chains();
Chains avx512_chains();
Chains avx512_vnni_chains();
Chains avx512_bf16_chains();

/// Sums in registers: enough of them to hide an addition's latency, few enough for 16 registers. Step has zero,
/// multiply_add, what the compiler may not see through (keep), and the operations of one multiply-add.
template <typename Step, int... I>
int64_t run_chain(std::integer_sequence<int, I...>, int64_t n_steps) {
    typename Step::Sum sums[] = {((void)I, Step::zero())...};
    typename Step::Sum factor = Step::zero();
    for (int64_t i = 0; i < n_steps; ++i) {
        ((Step::keep(factor), sums[I] = Step::multiply_add(sums[I], factor), Step::keep(sums[I])), ...);
    }
    return n_steps * static_cast<int64_t>(sizeof...(I)) * Step::n_operations;
}

template <typename Step>
int64_t chain(int64_t n_steps) {
    return run_chain<Step>(std::make_integer_sequence<int, 12>(), n_steps);
}

}  // namespace altclip::bench

// What the machine offers: cores, memory, instruction sets.
#pragma once

#include <cstdint>
#include <string>

namespace altclip {

/// Cores this process may run on, hyper-threads of one core counted once; at least 1.
int n_physical_cores();

/// Threads to compute with where nobody says: n_physical_cores, fewer where a container's CPU quota is smaller (rounded
/// to whole cores; threads beyond it would only wait for each other). `root` as for cpu_quota.
int n_default_threads(const std::string & root = "");

/// Throws out_of_memory where `n_bytes` is more than three quarters of the physical memory: the system would grant the
/// pages and end the process when they are touched. `what` needs them, e.g. "the attentions of this input".
void check_memory(double n_bytes, const char * what);

/// Throws unsupported where the CPU or the operating system lacks an instruction set that this build needs.
void require_cpu();

/// One line: ggml's version, the instruction sets it uses, and that of our kernels, with those this machine could run.
/// Throws as best_isa.
std::string system_info();

}  // namespace altclip

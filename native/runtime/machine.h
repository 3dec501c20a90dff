// What the machine offers: cores, memory, instruction sets.
#pragma once

#include <cstdint>
#include <string>

namespace altclip {

/// Cores this process may run on, hyper-threads of one core counted once; at least 1.
int n_physical_cores();

/// Bytes of physical memory.
uint64_t total_memory();

/// Throws unsupported where the CPU or the operating system lacks an instruction set that this build needs.
void require_cpu();

/// One line: ggml's version and the instruction sets in use.
std::string system_info();

}  // namespace altclip

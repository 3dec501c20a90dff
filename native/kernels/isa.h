// Instruction sets that kernels are written for, what this machine has of them, and which one is in use.
#pragma once

#include <string>
#include <vector>

namespace altclip {

enum class Isa { scalar, avx2, avx512, avx512_vnni, avx512_bf16, neon, neon_dotprod, neon_i8mm };

/// "avx2", "avx512_vnni", ...
const char * isa_name(Isa isa);

/// Whether the CPU has it, the operating system keeps its registers (XGETBV), and this build has its kernels. avx2
/// stands for AVX2, FMA and F16C together; avx512 for F, BW, DQ and VL; avx512_bf16 for VNNI and VBMI too.
bool isa_supported(Isa isa);

/// Every supported one, the scalar reference first.
std::vector<Isa> supported_isas();

/// The one to use: the best that is supported, or what the environment variable ALTCLIP_ISA names. Read once a process.
/// Throws invalid_argument where the variable names no instruction set, or one this machine lacks.
Isa best_isa();

}  // namespace altclip

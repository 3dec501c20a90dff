// How finely activations are rounded.
#pragma once

namespace altclip {

enum class Precision {
    fine,   // 12 bits for quantised weights, one scale a token for 128 inputs
    coarse  // 8 bits, one centre and scale a token for 128 inputs, and attention in bf16 where what reads it takes no
            // more; where the instruction set gains nothing, as fine
};

}  // namespace altclip

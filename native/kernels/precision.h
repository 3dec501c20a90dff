// How finely activations are rounded for products with quantised weights.
#pragma once

namespace altclip {

enum class Precision {
    fine,   // 12 bits, one scale a token for 128 inputs
    coarse  // 8 bits, one centre and scale a token for 128 inputs; where the instruction set gains nothing, as fine
};

}  // namespace altclip

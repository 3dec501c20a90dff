// SentencePiece's precompiled_charsmap: a darts-clone double array over what is replaced, and the replacements.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace altclip {

class Charsmap {
public:
    struct Match {
        size_t length = 0;  // bytes of the text that are replaced; 0 where no rule applies
        std::string_view replacement;
    };

    /// `blob`: u32 size of the double array in bytes, its units, the replacements, each ended by a zero byte; little
    /// endian; empty for no rules. A view: the blob must live. Throws model_format, naming `source`.
    Charsmap(std::string_view blob, const std::string & source);

    /// The longest rule that `text` begins with.
    Match longest_prefix(std::string_view text) const;

    /// Whether no rule begins with the ASCII character, alone or with another of ASCII behind it.
    bool keeps_ascii(char c) const { return keeps_ascii_[static_cast<unsigned char>(c)]; }

private:
    void find_kept_ascii();
    bool unit(size_t index, uint32_t & value) const;

    std::string_view units_;
    std::string_view replacements_;
    std::array<bool, 256> keeps_ascii_{};
};

}  // namespace altclip

// SentencePiece's precompiled_charsmap: a darts-clone double array over what is replaced, and the replacements.
#pragma once

#include <bitset>
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

    /// Bytes at the beginning of `text` that no rule touches: whole characters up to a space, a rule, or anything
    /// unusual (malformed bytes, U+D000 and beyond).
    size_t plain_length(std::string_view text) const;

private:
    static constexpr size_t n_ascii = 0x80;
    static constexpr size_t n_planar = 0x10000;

    void find_kept();
    bool step(size_t & position, unsigned char byte, bool & is_rule) const;
    size_t root() const;
    bool begins_rule(std::string_view character) const;
    bool unit(size_t index, uint32_t & value) const;

    std::string_view units_;
    std::string_view replacements_;
    // Looked up for nearly every character, so that plain text asks the double array nothing.
    std::bitset<n_ascii * 256> keeps_ascii_;  // a character of ASCII and the byte behind it: no rule begins so
    std::bitset<n_planar> keeps_planar_;      // code point: no rule begins with it
};

}  // namespace altclip

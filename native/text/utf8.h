// UTF-8 as SentencePiece reads it, and the way from and to UTF-16.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace altclip {

/// U+2581, what SentencePiece writes for a space.
inline constexpr std::string_view space_symbol = "\xE2\x96\x81";
/// U+FFFD
inline constexpr std::string_view replacement_character = "\xEF\xBF\xBD";

/// Bytes of a character by its first byte, 1 for a trailing one (SentencePiece's OneCharLen).
inline size_t utf8_length(char lead) {
    constexpr char lengths[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 4};
    return static_cast<size_t>(lengths[static_cast<unsigned char>(lead) >> 4]);
}

/// Bytes of the valid character that `text`, not empty, begins with; 0 where it is malformed (overlong and surrogate
/// forms included).
size_t valid_utf8_length(std::string_view text);

/// Of a code point that is no surrogate.
std::string utf8_of(char32_t code);

bool is_valid_utf8(std::string_view text);

/// A lone surrogate becomes U+FFFD.
std::string utf8_from_utf16(std::u16string_view text);

/// Byte offsets into valid UTF-8 `text`, at character boundaries, as offsets in UTF-16 code units; in place, from
/// element `first` on.
void utf16_offsets(std::string_view text, std::vector<uint32_t> & offsets, size_t first);

/// Bytes of the white space (Unicode's White_Space) that `text` ends with.
size_t trailing_white_space(std::string_view text);

}  // namespace altclip

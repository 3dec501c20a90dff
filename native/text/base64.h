// Base64 (RFC 4648, with padding), in which tokenizer.json carries the character map.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace altclip {

std::string encode_base64(std::string_view bytes);

/// None where `text` is not base64.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace altclip

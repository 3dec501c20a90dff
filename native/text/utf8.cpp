#include "text/utf8.h"

namespace altclip {

namespace {

/// The code point of a valid character of `n` bytes.
char32_t decode(const char * at, size_t n) {
    constexpr unsigned char first_bits[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    char32_t code = static_cast<unsigned char>(at[0]) & first_bits[n];
    for (size_t i = 1; i < n; ++i) code = code << 6 | (static_cast<unsigned char>(at[i]) & 0x3F);
    return code;
}

bool is_trailing(char c) {
    return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

/// Behind the last of its bytes; at most 4.
char * write(char * at, char32_t code) {
    const auto low_bits = [code](int shift) { return static_cast<char>(0x80 | (code >> shift & 0x3F)); };
    if (code < 0x80) {
        *at++ = static_cast<char>(code);
    } else if (code < 0x800) {
        *at++ = static_cast<char>(0xC0 | code >> 6);
        *at++ = low_bits(0);
    } else if (code < 0x10000) {
        *at++ = static_cast<char>(0xE0 | code >> 12);
        *at++ = low_bits(6);
        *at++ = low_bits(0);
    } else {
        *at++ = static_cast<char>(0xF0 | code >> 18);
        *at++ = low_bits(12);
        *at++ = low_bits(6);
        *at++ = low_bits(0);
    }
    return at;
}

bool is_white_space(char32_t code) {
    return (code >= 0x09 && code <= 0x0D) || code == 0x20 || code == 0x85 || code == 0xA0 || code == 0x1680 ||
           (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F ||
           code == 0x3000;
}

}  // namespace

size_t valid_utf8_length(std::string_view text) {
    const auto lead = static_cast<unsigned char>(text[0]);
    if (lead < 0x80) return 1;
    const size_t n = utf8_length(text[0]);
    if (n == 1 || lead > 0xF7 || n > text.size()) return 0;
    for (size_t i = 1; i < n; ++i) {
        if (!is_trailing(text[i])) return 0;
    }
    constexpr char32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const char32_t code = decode(text.data(), n);
    const bool valid = code >= smallest[n] && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
    return valid ? n : 0;
}

std::string utf8_of(char32_t code) {
    char bytes[4];
    return {bytes, write(bytes, code)};
}

bool is_valid_utf8(std::string_view text) {
    const size_t size = text.size();
    for (size_t at = 0; at < size;) {
        const auto byte = [&text, at](size_t i) { return static_cast<unsigned char>(text[at + i]); };
        // nearly all characters are of these kinds; 0xE1 to 0xEC begin no overlong or surrogate form
        if (byte(0) < 0x80) {
            ++at;
        } else if (size - at >= 3 && byte(0) >= 0xE1 && byte(0) <= 0xEC && is_trailing(text[at + 1]) &&
                   is_trailing(text[at + 2])) {
            at += 3;
        } else if (size - at >= 2 && byte(0) >= 0xC2 && byte(0) <= 0xDF && is_trailing(text[at + 1])) {
            at += 2;
        } else {
            const size_t n = valid_utf8_length(text.substr(at));
            if (n == 0) return false;
            at += n;
        }
    }
    return true;
}

std::string utf8_from_utf16(std::u16string_view text) {
    constexpr char32_t replacement = 0xFFFD;
    std::string out(3 * text.size(), '\0');  // a unit takes 3 bytes at most, a pair 4
    char * at = out.data();
    for (size_t i = 0; i < text.size(); ++i) {
        const char32_t unit = text[i];
        if (unit < 0xD800 || unit > 0xDFFF) {
            at = write(at, unit);
        } else if (unit < 0xDC00 && i + 1 < text.size() && text[i + 1] >= 0xDC00 && text[i + 1] <= 0xDFFF) {
            at = write(at, 0x10000 + ((unit - 0xD800) << 10) + (text[++i] - 0xDC00u));
        } else {
            at = write(at, replacement);
        }
    }
    out.resize(static_cast<size_t>(at - out.data()));
    return out;
}

void utf16_offsets(std::string_view text, std::vector<uint32_t> & offsets, size_t first) {
    std::vector<uint32_t> units(text.size() + 1);
    uint32_t n = 0;
    for (size_t i = 0; i < text.size(); ++i) {
        units[i] = n;
        if (!is_trailing(text[i])) n += utf8_length(text[i]) == 4 ? 2 : 1;
    }
    units[text.size()] = n;
    for (size_t i = first; i < offsets.size(); ++i) offsets[i] = units[offsets[i]];
}

size_t trailing_white_space(std::string_view text) {
    const size_t size = text.size();
    while (!text.empty()) {
        size_t start = text.size() - 1;
        while (start > 0 && is_trailing(text[start])) --start;
        const std::string_view last = text.substr(start);
        if (valid_utf8_length(last) != last.size() || !is_white_space(decode(last.data(), last.size()))) break;
        text.remove_suffix(last.size());
    }
    return size - text.size();
}

}  // namespace altclip

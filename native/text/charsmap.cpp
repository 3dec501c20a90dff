#include "text/charsmap.h"

#include "error.h"
#include "text/utf8.h"

namespace altclip {

namespace {

// Real rules replace 18 bytes at most; the limit keeps a hostile array, whose units may point in circles, linear.
constexpr size_t max_match = 256;
// U+FDFA becomes 33 bytes; a replacement that never ends would blow a short text up.
constexpr size_t max_replacement = 1024;

// darts-clone's unit: bits 0-7 label, 8 has a value, 9 the offset is shifted by 8, 10-30 offset, 31 set in values
uint32_t label(uint32_t unit) {
    return unit & (1u << 31 | 0xFF);
}
bool has_value(uint32_t unit) {
    return (unit >> 8 & 1) != 0;
}
uint32_t offset(uint32_t unit) {
    return (unit >> 10) << ((unit & 1u << 9) >> 6);
}

uint32_t read_u32(const char * at) {
    const auto byte = [at](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(at[i])); };
    return byte(0) | byte(1) << 8 | byte(2) << 16 | byte(3) << 24;  // written so, compilers make it one load
}

}  // namespace

Charsmap::Charsmap(std::string_view blob, const std::string & source) {
    keeps_ascii_.set();
    keeps_planar_.set();
    if (blob.empty()) return;
    const auto broken = [&source](const auto &... what) {
        fail(ErrorCode::model_format, source, ": the normaliser's character map ", what...);
    };
    if (blob.size() <= 4) broken("has ", blob.size(), " bytes, expected more than 4");
    const uint32_t n_bytes = read_u32(blob.data());
    blob.remove_prefix(4);
    if (n_bytes >= blob.size()) broken("claims an index of ", n_bytes, " bytes, ", blob.size(), " are there");
    if (n_bytes == 0 || n_bytes % 4 != 0) broken("has an index of ", n_bytes, " bytes, expected a multiple of 4");
    units_ = blob.substr(0, n_bytes);
    replacements_ = blob.substr(n_bytes);
    if (replacements_.back() != '\0') broken("ends inside a replacement");
    size_t length = 0;
    for (const char c : replacements_) {
        length = c == '\0' ? 0 : length + 1;
        if (length > max_replacement) broken("has a replacement of more than ", max_replacement, " bytes");
    }
    find_kept();
}

void Charsmap::find_kept() {
    for (size_t c = 0; c < n_ascii; ++c) {
        size_t position = root();
        bool is_rule = false;
        if (!step(position, static_cast<unsigned char>(c), is_rule)) continue;
        for (size_t next = 0; next < 256; ++next) {
            size_t behind = position;
            bool is_longer = false;
            if (is_rule || step(behind, static_cast<unsigned char>(next), is_longer))
                keeps_ascii_.reset(c * 256 + next);
        }
    }
    for (char32_t code = n_ascii; code < n_planar; ++code) {
        if (begins_rule(utf8_of(code))) keeps_planar_.reset(code);
    }
}

bool Charsmap::begins_rule(std::string_view character) const {
    size_t position = root();
    for (const char byte : character) {
        bool is_rule = false;
        if (!step(position, static_cast<unsigned char>(byte), is_rule)) return false;
    }
    return true;
}

size_t Charsmap::plain_length(std::string_view text) const {
    const size_t size = text.size();
    size_t at = 0;
    while (at < size) {
        const auto byte = [&text, at](size_t i) { return static_cast<unsigned char>(text[at + i]); };
        const auto trails = [&byte](size_t i) { return (byte(i) & 0xC0) == 0x80; };
        size_t length = 1;
        bool keeps = false;
        if (byte(0) < n_ascii) {
            constexpr size_t none = 0xFF;  // no rule has such a byte
            if (byte(0) == ' ') break;
            keeps = keeps_ascii_[byte(0) * size_t{256} + (at + 1 < size ? byte(1) : none)];
        } else if (size - at >= 3 && byte(0) >= 0xE0 && byte(0) <= 0xEC && trails(1) && trails(2)) {
            length = 3;
            const size_t code = (byte(0) & 0x0Fu) << 12 | (byte(1) & 0x3Fu) << 6 | (byte(2) & 0x3Fu);
            if (code < 0x800) break;  // overlong
            keeps = keeps_planar_[code];
        } else if (size - at >= 2 && byte(0) >= 0xC2 && byte(0) <= 0xDF && trails(1)) {
            length = 2;
            keeps = keeps_planar_[(byte(0) & 0x1Fu) << 6 | (byte(1) & 0x3Fu)];
        } else {
            break;
        }
        if (!keeps && longest_prefix(text.substr(at)).length > 0) break;
        at += length;
    }
    return at;
}

/// Goes from the node at `position` on by `byte`, where a rule does.
bool Charsmap::step(size_t & position, unsigned char byte, bool & is_rule) const {
    uint32_t current = 0;
    if (!unit(position ^ byte, current) || label(current) != byte) return false;
    position = position ^ byte ^ offset(current);
    is_rule = has_value(current);
    return true;
}

size_t Charsmap::root() const {
    uint32_t first = 0;
    return unit(0, first) ? offset(first) : 0;
}

bool Charsmap::unit(size_t index, uint32_t & value) const {
    if (index >= units_.size() / 4) return false;
    value = read_u32(units_.data() + index * 4);
    return true;
}

Charsmap::Match Charsmap::longest_prefix(std::string_view text) const {
    Match match;
    size_t position = root();
    const size_t n = text.size() < max_match ? text.size() : max_match;
    for (size_t i = 0; i < n; ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        bool is_rule = false;
        if (!step(position, byte, is_rule)) break;
        uint32_t value = 0;
        if (!is_rule || !unit(position, value)) continue;
        value &= ~(1u << 31);
        if (value >= replacements_.size()) continue;
        match.length = i + 1;
        match.replacement = replacements_.data() + value;  // ends at its zero byte, which is there
    }
    return match;
}

}  // namespace altclip

#include "text/charsmap.h"

#include <algorithm>

#include "error.h"

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
    std::fill_n(keeps_ascii_.begin(), 128, true);
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
    find_kept_ascii();
}

/// Looks at one step of longest_prefix for every pair, so that plain text needs none.
void Charsmap::find_kept_ascii() {
    uint32_t root = 0;
    if (!unit(0, root)) return;
    for (uint32_t first = 0; first < 128; ++first) {
        uint32_t current = 0;
        const size_t position = offset(root) ^ first;
        if (!unit(position, current) || label(current) != first) continue;
        bool kept = !has_value(current);
        for (uint32_t second = 0; second < 128 && kept; ++second) {
            uint32_t next = 0;
            kept = !unit(position ^ offset(current) ^ second, next) || label(next) != second;
        }
        keeps_ascii_[first] = kept;
    }
}

bool Charsmap::unit(size_t index, uint32_t & value) const {
    if (index >= units_.size() / 4) return false;
    value = read_u32(units_.data() + index * 4);
    return true;
}

Charsmap::Match Charsmap::longest_prefix(std::string_view text) const {
    Match match;
    uint32_t current = 0;
    if (!unit(0, current)) return match;
    size_t position = offset(current);
    const size_t n = text.size() < max_match ? text.size() : max_match;
    for (size_t i = 0; i < n; ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        position ^= byte;
        if (!unit(position, current) || label(current) != byte) break;
        position ^= offset(current);
        uint32_t value = 0;
        if (!has_value(current) || !unit(position, value)) continue;
        value &= ~(1u << 31);
        if (value >= replacements_.size()) continue;
        match.length = i + 1;
        match.replacement = replacements_.data() + value;  // ends at its zero byte, which is there
    }
    return match;
}

}  // namespace altclip

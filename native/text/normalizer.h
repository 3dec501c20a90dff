// SentencePiece's normaliser: character map, white space, dummy prefix.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/charsmap.h"

namespace altclip {

/// Where in the source a normalised byte comes from.
struct SourceRange {
    uint32_t begin = 0;
    uint32_t end = 0;
};

struct NormalizedText {
    std::string bytes;                 // UTF-8, spaces written as U+2581
    std::vector<SourceRange> sources;  // one a byte, where asked for; a space has its next character's
};

class Normalizer {
public:
    Normalizer(Charsmap charsmap, bool add_dummy_prefix, bool remove_extra_whitespaces)
        : charsmap_(charsmap), add_dummy_prefix_(add_dummy_prefix), remove_extra_(remove_extra_whitespaces) {}

    /// As SentencePiece's Normalizer::Normalize with escape_whitespaces (normalizer.cc). A malformed byte of `text`
    /// becomes U+FFFD. Throws invalid_argument where the result passes 64 MiB.
    NormalizedText normalize(std::string_view text, bool with_sources) const;

private:
    struct Prefix {
        std::string_view normalized;
        size_t length = 0;  // bytes of the text
    };
    Prefix normalize_prefix(std::string_view text) const;

    Charsmap charsmap_;
    bool add_dummy_prefix_;
    bool remove_extra_;
};

}  // namespace altclip

#include "text/normalizer.h"

#include "error.h"
#include "text/utf8.h"

namespace altclip {

namespace {

/// Collects normalised bytes and, where wanted, their sources.
class Output {
public:
    Output(size_t n_expected, bool with_sources) : with_sources_(with_sources) {
        text_.bytes.reserve(n_expected);
        if (with_sources) text_.sources.reserve(n_expected);
    }

    void add_space() {
        text_.bytes += space_symbol;
        if (with_sources_) text_.sources.resize(text_.bytes.size());
    }
    /// `piece` without spaces.
    void add(std::string_view piece, SourceRange source) {
        text_.bytes += piece;
        if (with_sources_) {
            give_spaces(source);
            text_.sources.resize(text_.bytes.size(), source);
        }
        n_known_ = text_.bytes.size();
    }
    size_t size() const { return text_.bytes.size(); }

    NormalizedText finish(size_t n_kept, uint32_t source_end) {
        if (with_sources_) {
            give_spaces({source_end, source_end});
            text_.sources.resize(n_kept);
        }
        text_.bytes.resize(n_kept);
        return std::move(text_);
    }
    std::string_view bytes() const { return text_.bytes; }

private:
    void give_spaces(SourceRange source) {
        for (size_t i = n_known_; i < text_.sources.size(); ++i) text_.sources[i] = source;
    }

    NormalizedText text_;
    size_t n_known_ = 0;  // the bytes behind are spaces that wait for the next character's source
    bool with_sources_;
};

bool starts_with_space(std::string_view text) {
    return !text.empty() && text.front() == ' ';
}

bool ends_with(std::string_view text, std::string_view end) {
    return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

}  // namespace

Normalizer::Prefix Normalizer::normalize_prefix(std::string_view text) const {
    const Charsmap::Match match = charsmap_.longest_prefix(text);
    if (match.length > 0) return {match.replacement, match.length};
    const size_t length = valid_utf8_length(text);
    if (length == 0) return {replacement_character, 1};
    return {text.substr(0, length), length};
}

NormalizedText Normalizer::normalize(std::string_view text, bool with_sources) const {
    constexpr size_t max_size = size_t{64} << 20;
    size_t at = 0;
    while (remove_extra_ && at < text.size()) {
        const Prefix prefix = normalize_prefix(text.substr(at));
        if (prefix.normalized != " ") break;
        at += prefix.length;
    }
    if (at == text.size()) return {};

    Output output(text.size() - at + text.size() / 4 + space_symbol.size(), with_sources);
    if (add_dummy_prefix_) output.add_space();
    bool after_space = remove_extra_;
    while (at < text.size()) {
        const size_t n_plain = with_sources ? 0 : charsmap_.plain_length(text.substr(at));
        if (n_plain > 0) {
            output.add(text.substr(at, n_plain), {});
            after_space = false;
            at += n_plain;
            continue;
        }
        const Prefix prefix = normalize_prefix(text.substr(at));
        std::string_view piece = prefix.normalized;
        while (after_space && starts_with_space(piece)) piece.remove_prefix(1);
        const SourceRange source = {static_cast<uint32_t>(at), static_cast<uint32_t>(at + prefix.length)};
        if (!piece.empty()) after_space = remove_extra_ && piece.back() == ' ';
        while (!piece.empty()) {
            const std::string_view word = piece.substr(0, piece.find(' '));
            if (!word.empty()) output.add(word, source);
            piece.remove_prefix(word.size());
            if (piece.empty()) break;
            output.add_space();
            piece.remove_prefix(1);
        }
        at += prefix.length;
        if (output.size() > max_size) {
            fail(ErrorCode::invalid_argument, "text: longer than ", max_size, " bytes when normalised");
        }
    }

    std::string_view kept = output.bytes();
    while (remove_extra_ && ends_with(kept, space_symbol)) kept.remove_suffix(space_symbol.size());
    return output.finish(kept.size(), static_cast<uint32_t>(text.size()));
}

}  // namespace altclip

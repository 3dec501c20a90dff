#include "text/tokenizer.h"

#include <algorithm>
#include <utility>

#include "error.h"
#include "text/utf8.h"

namespace altclip {

namespace {

constexpr size_t max_text_bytes = size_t{16} << 20;

}  // namespace

Tokenizer::Tokenizer(Vocabulary vocabulary, const std::string & source)
    : vocabulary_(std::move(vocabulary)),
      normalizer_(Charsmap(vocabulary_.charsmap, source), vocabulary_.add_dummy_prefix,
                  vocabulary_.remove_extra_whitespaces),
      model_(vocabulary_, source),
      literals_{vocabulary_.special.bos, vocabulary_.special.pad, vocabulary_.special.eos, vocabulary_.special.unk,
                vocabulary_.special.mask} {}

bool Tokenizer::is_special(int32_t id) const {
    return std::find(literals_.begin(), literals_.end(), id) != literals_.end();
}

Tokenizer::Literal Tokenizer::next_literal(std::string_view text, size_t from) const {
    for (size_t at = text.find('<', from); at != std::string_view::npos; at = text.find('<', at + 1)) {
        for (const int32_t id : literals_) {
            const std::string_view token = vocabulary_.tokens[static_cast<size_t>(id)];
            if (text.substr(at, token.size()) != token) continue;
            const size_t swallowed =
                id == vocabulary_.special.mask ? trailing_white_space(text.substr(from, at - from)) : 0;
            return {at - swallowed, at + token.size(), id};
        }
    }
    return {text.size(), text.size(), -1};
}

void Tokenizer::encode_part(std::string_view text, size_t begin, size_t end, bool with_offsets, Encoding & out) const {
    const NormalizedText part = normalizer_.normalize(text.substr(begin, end - begin), with_offsets);
    for (const Piece & piece : model_.segment(part.bytes)) {
        out.ids.push_back(piece.id);
        if (!with_offsets) continue;
        out.offsets.push_back(static_cast<uint32_t>(begin) + part.sources[piece.begin].begin);
        out.offsets.push_back(static_cast<uint32_t>(begin) + part.sources[piece.end - 1].end);
    }
}

Encoding Tokenizer::encode(std::string_view text, bool with_offsets) const {
    Encoding out;
    encode(text, with_offsets, out);
    return out;
}

void Tokenizer::encode(std::string_view text, bool with_offsets, Encoding & out) const {
    if (text.size() > max_text_bytes) {
        fail(ErrorCode::invalid_argument, "text: got ", text.size(), " bytes of UTF-8, expected at most ",
             max_text_bytes);
    }
    for (size_t from = 0; from < text.size();) {
        const Literal literal = next_literal(text, from);
        encode_part(text, from, literal.begin, with_offsets, out);
        from = literal.end;
        if (literal.id < 0) break;
        out.ids.push_back(literal.id);
        if (with_offsets) {
            out.offsets.push_back(static_cast<uint32_t>(literal.begin));
            out.offsets.push_back(static_cast<uint32_t>(literal.end));
        }
    }
}

std::string_view Tokenizer::token(int32_t id) const {
    if (id < 0 || static_cast<size_t>(id) >= vocabulary_.tokens.size()) {
        fail(ErrorCode::invalid_argument, "token id: got ", id, ", expected 0 to ", vocabulary_.tokens.size() - 1);
    }
    return vocabulary_.tokens[static_cast<size_t>(id)];
}

int32_t Tokenizer::find(std::string_view token) const {
    return model_.trie().find(token);
}

std::string Tokenizer::decode(const std::vector<int32_t> & ids, bool skip_special_tokens) const {
    std::string out;
    bool first = true;
    for (const int32_t id : ids) {
        std::string_view rest = token(id);
        if (skip_special_tokens && is_special(id)) continue;
        for (size_t at = rest.find(space_symbol); at != std::string_view::npos; at = rest.find(space_symbol)) {
            out += rest.substr(0, at);
            if (!first) out += ' ';  // the decoder of the tokenizers library drops every space of the first token
            rest.remove_prefix(at + space_symbol.size());
        }
        out += rest;
        first = false;
    }
    return out;
}

size_t Tokenizer::n_bytes() const {
    const size_t per_token = sizeof(std::string_view) + sizeof(float) + sizeof(TokenType);
    return sizeof(*this) + vocabulary_.tokens.size() * per_token + model_.trie().n_bytes();
}

}  // namespace altclip

// sentencepiece.bpe.model: SentencePiece's ModelProto, of which a few fields matter, read without protobuf.
#include <cstring>

#include "error.h"
#include "io/mapped_file.h"
#include "text/vocabulary.h"
#include "text/vocabulary_builder.h"

namespace altclip {

namespace {

/// Walks the fields of one protobuf message; every length is held against the bytes that are there.
class Message {
public:
    Message(std::string_view bytes, const std::string & source) : bytes_(bytes), source_(source) {}

    bool next() {
        if (bytes_.empty()) return false;
        const uint64_t tag = take_varint();
        number_ = tag >> 3;
        wire_ = static_cast<uint32_t>(tag & 7);
        switch (wire_) {
            case 0: value_ = take_varint(); break;
            case 1: data_ = take(8); break;
            case 2: data_ = take(take_varint()); break;
            case 5: data_ = take(4); break;
            default: fail_damaged();
        }
        return true;
    }
    uint64_t number() const { return number_; }
    uint64_t integer() const { return expect(0), value_; }
    std::string_view bytes() const { return expect(2), data_; }
    float number_f32() const {
        expect(5);
        uint32_t bits = 0;
        for (int i = 3; i >= 0; --i) bits = bits << 8 | static_cast<unsigned char>(data_[static_cast<size_t>(i)]);
        float value;
        std::memcpy(&value, &bits, sizeof(value));
        return value;
    }

private:
    [[noreturn]] void fail_damaged() const {
        fail(ErrorCode::model_format, source_, ": not a SentencePiece model, or a damaged one");
    }
    void expect(uint32_t wire) const {
        if (wire_ != wire) fail_damaged();
    }
    std::string_view take(uint64_t n) {
        if (n > bytes_.size()) fail_damaged();
        const std::string_view taken = bytes_.substr(0, static_cast<size_t>(n));
        bytes_.remove_prefix(taken.size());
        return taken;
    }
    uint64_t take_varint() {
        uint64_t value = 0;
        for (int shift = 0; shift < 64; shift += 7) {
            const auto byte = static_cast<unsigned char>(take(1)[0]);
            value |= static_cast<uint64_t>(byte & 0x7F) << shift;
            if (byte < 0x80) return value;
        }
        fail_damaged();
    }

    std::string_view bytes_;
    const std::string & source_;
    uint64_t number_ = 0;
    uint32_t wire_ = 0;
    uint64_t value_ = 0;
    std::string_view data_;
};

// numbers of sentencepiece_model.proto
namespace model_field {
constexpr uint64_t pieces = 1, trainer_spec = 2, normalizer_spec = 3;
}
namespace piece_field {
constexpr uint64_t piece = 1, score = 2, type = 3;
}
namespace trainer_field {
constexpr uint64_t model_type = 3, treat_whitespace_as_suffix = 24, byte_fallback = 35;
}
namespace normalizer_field {
constexpr uint64_t charsmap = 2, add_dummy_prefix = 3, remove_extra_whitespaces = 4, escape_whitespaces = 5;
}
namespace piece_type {
constexpr uint64_t normal = 1, unknown = 2, control = 3, unused = 5;
}
constexpr uint64_t unigram = 1;

struct Piece {
    std::string_view text;
    float score = 0.0f;
    uint64_t type = piece_type::normal;
};

class ModelReader {
public:
    explicit ModelReader(const std::string & path) : path_(path), builder_(path) {
        // XLM-RoBERTa's ids: its own four first, SentencePiece's pieces behind its three at one higher
        builder_.add("<s>", 0.0f, TokenType::control);
        builder_.add("<pad>", 0.0f, TokenType::control);
        builder_.add("</s>", 0.0f, TokenType::control);
        builder_.add("<unk>", 0.0f, TokenType::unknown);
    }

    Vocabulary read(std::string_view bytes) {
        Message model(bytes, path_);
        while (model.next()) {
            switch (model.number()) {
                case model_field::pieces: add(read_piece(model.bytes())); break;
                case model_field::trainer_spec: read_trainer(model.bytes()); break;
                case model_field::normalizer_spec: read_normalizer(model.bytes()); break;
                default: break;
            }
        }
        if (n_pieces_ <= 3) fail(ErrorCode::model_format, path_, ": a SentencePiece model of ", n_pieces_, " pieces");
        builder_.add("<mask>", 0.0f, TokenType::control);
        const auto mask = static_cast<int32_t>(builder_.size() - 1);
        Vocabulary vocabulary = std::move(builder_).build();
        vocabulary.special.mask = mask;
        vocabulary.add_dummy_prefix = add_dummy_prefix_;
        vocabulary.remove_extra_whitespaces = remove_extra_whitespaces_;
        return vocabulary;
    }

private:
    Piece read_piece(std::string_view bytes) const {
        Piece piece;
        Message message(bytes, path_);
        while (message.next()) {
            switch (message.number()) {
                case piece_field::piece: piece.text = message.bytes(); break;
                case piece_field::score: piece.score = message.number_f32(); break;
                case piece_field::type: piece.type = message.integer(); break;
                default: break;
            }
        }
        return piece;
    }

    void add(const Piece & piece) {
        const size_t index = n_pieces_++;
        if (index < 3) {
            const char * const expected[] = {"<unk>", "<s>", "</s>"};
            if (piece.text != expected[index]) {
                fail(ErrorCode::unsupported, path_, ": piece ", index, " is '", piece.text, "', expected '",
                     expected[index], "' as in XLM-RoBERTa's models");
            }
            return;
        }
        switch (piece.type) {
            case piece_type::normal: builder_.add(piece.text, piece.score, TokenType::normal); break;
            case piece_type::unknown: builder_.add(piece.text, piece.score, TokenType::unknown); break;
            case piece_type::control:
            case piece_type::unused: builder_.add(piece.text, piece.score, TokenType::control); break;
            default:
                fail(ErrorCode::unsupported, path_, ": piece ", index, " ('", piece.text, "') has the type ",
                     piece.type, "; user-defined and byte pieces are not supported");
        }
    }

    void read_trainer(std::string_view bytes) const {
        Message message(bytes, path_);
        while (message.next()) {
            const uint64_t field = message.number();
            if (field == trainer_field::model_type && message.integer() != unigram) {
                fail(ErrorCode::unsupported, path_, ": SentencePiece model type ", message.integer(),
                     ", expected 1 (unigram)");
            }
            if (field == trainer_field::treat_whitespace_as_suffix && message.integer() != 0) {
                fail(ErrorCode::unsupported, path_, ": treat_whitespace_as_suffix is not supported");
            }
            if (field == trainer_field::byte_fallback && message.integer() != 0) {
                fail(ErrorCode::unsupported, path_, ": byte_fallback is not supported");
            }
        }
    }

    void read_normalizer(std::string_view bytes) {
        Message message(bytes, path_);
        while (message.next()) {
            switch (message.number()) {
                case normalizer_field::charsmap: builder_.set_charsmap(std::string(message.bytes())); break;
                case normalizer_field::add_dummy_prefix: add_dummy_prefix_ = message.integer() != 0; break;
                case normalizer_field::remove_extra_whitespaces:
                    remove_extra_whitespaces_ = message.integer() != 0;
                    break;
                case normalizer_field::escape_whitespaces:
                    if (message.integer() == 0) {
                        fail(ErrorCode::unsupported, path_, ": escape_whitespaces = false is not supported");
                    }
                    break;
                default: break;
            }
        }
    }

    const std::string & path_;
    VocabularyBuilder builder_;
    size_t n_pieces_ = 0;
    bool add_dummy_prefix_ = true;
    bool remove_extra_whitespaces_ = true;
};

}  // namespace

Vocabulary read_sentencepiece_model(const std::string & path) {
    const MappedFile file(path);
    Vocabulary vocabulary = ModelReader(path).read({reinterpret_cast<const char *>(file.data()), file.size()});
    validate_vocabulary(vocabulary, path);
    return vocabulary;
}

}  // namespace altclip

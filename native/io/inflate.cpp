#include "io/inflate.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "error.h"

namespace altclip {

namespace {

constexpr int max_code_bits = 15;
constexpr size_t window_size = size_t{1} << 15;
constexpr size_t buffer_size = 8 * window_size;

struct Damaged {
    const char * how;
};

class BitReader {
public:
    explicit BitReader(std::string_view bytes) : bytes_(bytes) {}

    /// The next n <= 16 bits; zeros stand in for what lies behind the end, taking those fails.
    uint32_t peek(int n) {
        while (n_held_ < n) {
            const uint64_t byte = at_ < bytes_.size() ? static_cast<uint8_t>(bytes_[at_]) : 0;
            held_ |= byte << n_held_;
            n_held_ += 8;
            ++at_;
        }
        return static_cast<uint32_t>(held_ & ((uint64_t{1} << n) - 1));
    }
    void drop(int n) {
        held_ >>= n;
        n_held_ -= n;
        if (at_ > bytes_.size() && static_cast<uint64_t>(n_held_) < 8 * (at_ - bytes_.size()))
            throw Damaged{"ends early"};
    }
    uint32_t take(int n) {
        const uint32_t bits = peek(n);
        drop(n);
        return bits;
    }
    void align() { drop(n_held_ % 8); }

private:
    std::string_view bytes_;
    size_t at_ = 0;
    uint64_t held_ = 0;
    int n_held_ = 0;
};

/// A canonical Huffman code: a table for codes of up to ten bits, which a hostile block of no content fills fast
/// enough, and the counts of every length for the rest.
class Code {
public:
    /// `lengths`: bits of each symbol's code, 0 where it has none.
    Code(const uint8_t * lengths, size_t n) : entries_(size_t{1} << table_bits, 0), symbols_(n) {
        for (size_t s = 0; s < n; ++s) ++count_[lengths[s]];
        count_[0] = 0;
        int left = 1;  // codes not yet given, of the length at hand
        std::array<int, max_code_bits + 1> next{}, place{};
        for (int bits = 1; bits <= max_code_bits; ++bits) {
            left = 2 * left - count_[bits];
            if (left < 0) throw Damaged{"has a code with too many symbols"};
            next[bits] = (next[bits - 1] + count_[bits - 1]) << 1;
            place[bits] = place[bits - 1] + count_[bits - 1];
        }
        for (size_t s = 0; s < n; ++s) {
            const int bits = lengths[s];
            if (bits == 0) continue;
            symbols_[place[bits]++] = static_cast<uint16_t>(s);
            const int code = next[bits]++;
            if (bits > table_bits) continue;
            size_t reversed = 0;
            for (int i = 0; i < bits; ++i) reversed = reversed << 1 | ((code >> i) & 1);
            for (; reversed < entries_.size(); reversed += size_t{1} << bits) {
                entries_[reversed] = static_cast<uint16_t>(s << 4 | static_cast<size_t>(bits));
            }
        }
    }

    uint32_t decode(BitReader & in) const {
        const uint32_t bits = in.peek(max_code_bits);
        if (const uint16_t entry = entries_[bits & (entries_.size() - 1)]) {
            in.drop(entry & 15);
            return entry >> 4;
        }
        int code = 0, first = 0, place = 0;  // first code of the length at hand, and its symbol's place
        for (int length = 1; length <= max_code_bits; ++length) {
            code |= static_cast<int>(bits >> (length - 1) & 1);
            if (code - first < count_[length]) {
                in.drop(length);
                return symbols_[place + code - first];
            }
            place += count_[length];
            first = (first + count_[length]) << 1;
            code <<= 1;
        }
        throw Damaged{"has bits that are no code"};
    }

private:
    static constexpr int table_bits = 10;
    std::array<int, max_code_bits + 1> count_{};  // symbols of each length
    std::vector<uint16_t> entries_;               // by the next bits: symbol, 4 bits of length; 0: none so short
    std::vector<uint16_t> symbols_;               // in the order of their codes
};

constexpr std::array<uint32_t, 256> crc_table = [] {
    std::array<uint32_t, 256> table{};
    for (uint32_t i = 0; i < 256; ++i) {
        uint32_t c = i;
        for (int k = 0; k < 8; ++k) c = c & 1 ? 0xedb88320 ^ (c >> 1) : c >> 1;
        table[i] = c;
    }
    return table;
}();

/// What was inflated: the last 32 KB stay for matches, the rest goes to the sink.
class Output {
public:
    Output(uint64_t size, const std::function<void(const uint8_t *, size_t)> & sink)
        : size_(size), sink_(sink), buffer_(buffer_size) {}

    void literal(uint32_t byte) {
        make_room(1);
        buffer_[used_++] = static_cast<uint8_t>(byte);
    }
    void match(size_t distance, size_t length) {
        if (distance > passed_ + used_) throw Damaged{"refers to what lies before its beginning"};
        make_room(length);
        for (size_t i = 0; i < length; ++i, ++used_) buffer_[used_] = buffer_[used_ - distance];
    }
    /// Returns the CRC-32 of everything.
    uint32_t finish() {
        pass_on(used_);
        if (passed_ != size_) throw Damaged{"gives less than the archive says"};
        return ~crc_;
    }

private:
    void make_room(size_t n) {
        if (n > size_ - passed_ - used_) throw Damaged{"gives more than the archive says"};
        if (used_ + n <= buffer_.size()) return;
        pass_on(used_ - window_size);
        std::memmove(buffer_.data(), buffer_.data() + used_, window_size);
        used_ = window_size;
    }
    /// The first n bytes of the buffer; `used_` then says where they ended.
    void pass_on(size_t n) {
        for (size_t i = 0; i < n; ++i) crc_ = crc_table[(crc_ ^ buffer_[i]) & 0xff] ^ (crc_ >> 8);
        sink_(buffer_.data(), n);
        passed_ += n;
        used_ = n;
    }

    uint64_t size_;
    const std::function<void(const uint8_t *, size_t)> & sink_;
    std::vector<uint8_t> buffer_;
    size_t used_ = 0;
    uint64_t passed_ = 0;
    uint32_t crc_ = ~uint32_t{0};
};

void inflate_stored(BitReader & in, Output & out) {
    in.align();
    const uint32_t n = in.take(16);
    if (in.take(16) != (n ^ 0xffff)) throw Damaged{"has a stored block of contradictory length"};
    for (uint32_t i = 0; i < n; ++i) out.literal(in.take(8));
}

void inflate_coded(BitReader & in, const Code & literals, const Code & distances, Output & out) {
    constexpr std::array<uint16_t, 29> length_base = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                                      31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
    constexpr std::array<uint8_t, 29> length_extra = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                                      2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
    constexpr uint32_t end_of_block = 256, n_distances = 30;
    for (uint32_t symbol = literals.decode(in); symbol != end_of_block; symbol = literals.decode(in)) {
        if (symbol < end_of_block) {
            out.literal(symbol);
            continue;
        }
        const size_t kind = symbol - end_of_block - 1;
        if (kind >= length_base.size()) throw Damaged{"has a length that there is not"};
        const size_t length = length_base[kind] + in.take(length_extra[kind]);
        const uint32_t far = distances.decode(in);
        if (far >= n_distances) throw Damaged{"has a distance that there is not"};
        const int extra = far < 2 ? 0 : static_cast<int>(far / 2 - 1);
        const size_t base = far < 2 ? far : (2 + (far & 1)) << extra;
        out.match(base + 1 + in.take(extra), length);
    }
}

void inflate_fixed(BitReader & in, Output & out) {
    std::array<uint8_t, 288> literals{};
    for (size_t s = 0; s < literals.size(); ++s) literals[s] = s < 144 ? 8 : s < 256 ? 9 : s < 280 ? 7 : 8;
    std::array<uint8_t, 32> distances{};
    distances.fill(5);
    inflate_coded(in, Code(literals.data(), literals.size()), Code(distances.data(), distances.size()), out);
}

void inflate_dynamic(BitReader & in, Output & out) {
    constexpr std::array<uint8_t, 19> order = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    const size_t n_literals = in.take(5) + 257, n_distances = in.take(5) + 1, n_order = in.take(4) + 4;
    std::array<uint8_t, order.size()> of_lengths{};
    for (size_t i = 0; i < n_order; ++i) of_lengths[order[i]] = static_cast<uint8_t>(in.take(3));
    const Code code(of_lengths.data(), of_lengths.size());

    std::array<uint8_t, 288 + 32> lengths{};
    for (size_t i = 0; i < n_literals + n_distances;) {
        const uint32_t symbol = code.decode(in);
        if (symbol < 16) {
            lengths[i++] = static_cast<uint8_t>(symbol);
            continue;
        }
        if (symbol == 16 && i == 0) throw Damaged{"repeats a code length before the first"};
        const uint8_t value = symbol == 16 ? lengths[i - 1] : uint8_t{0};
        const size_t n = symbol == 16 ? 3 + in.take(2) : symbol == 17 ? 3 + in.take(3) : 11 + in.take(7);
        if (n > n_literals + n_distances - i) throw Damaged{"has more code lengths than codes"};
        std::fill_n(lengths.begin() + static_cast<ptrdiff_t>(i), n, value);
        i += n;
    }
    inflate_coded(in, Code(lengths.data(), n_literals), Code(lengths.data() + n_literals, n_distances), out);
}

}  // namespace

void inflate(std::string_view deflated, uint64_t size, uint32_t crc32, const std::string & what,
             const std::function<void(const uint8_t *, size_t)> & sink) {
    try {
        BitReader in(deflated);
        Output out(size, sink);
        for (bool last = false; !last;) {
            last = in.take(1) == 1;
            switch (in.take(2)) {
                case 0: inflate_stored(in, out); break;
                case 1: inflate_fixed(in, out); break;
                case 2: inflate_dynamic(in, out); break;
                default: throw Damaged{"has a block of no known kind"};
            }
        }
        if (out.finish() != crc32) throw Damaged{"is not what its checksum says"};
    } catch (const Damaged & damage) {
        fail(ErrorCode::model_format, what, ": its compressed data ", damage.how);
    }
}

}  // namespace altclip

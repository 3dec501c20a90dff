#include "convert/pickle.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "error.h"

namespace altclip {

namespace {

using Kind = PickleValue::Kind;

// AltCLIP's own has 100 KB and 20,000 objects; the limits keep what a file makes us hold below 64 MB
constexpr size_t max_bytes = size_t{4} << 20;
constexpr size_t max_values = size_t{1} << 17;
constexpr size_t max_stack = size_t{1} << 20;
constexpr size_t max_arguments = 16;

constexpr const char * allowed_globals[] = {
    "collections.OrderedDict",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
    "torch.FloatStorage",
    "torch.HalfStorage",
    "torch.BFloat16Storage",
    "torch.DoubleStorage",
    "torch.LongStorage",
    "torch.IntStorage",
    "torch.ShortStorage",
    "torch.CharStorage",
    "torch.ByteStorage",
    "torch.BoolStorage",
};

// opcodes that make a reader call something or look something up; others that are refused are named by their number
constexpr std::pair<char, const char *> calling[] = {
    {'i', "INST"},         {'o', "OBJ"},     {'P', "PERSID"},  {'\x81', "NEWOBJ"},
    {'\x92', "NEWOBJ_EX"}, {'\x82', "EXT1"}, {'\x83', "EXT2"}, {'\x84', "EXT4"},
};

class Machine {
public:
    Machine(std::string_view bytes, const std::string & source) : bytes_(bytes), source_(source) {}

    Pickle run() {
        while (step()) {
        }
        if (stack_.size() != 1) damaged("ends with ", stack_.size(), " values, expected one");
        pickle_.root = stack_.back();
        return std::move(pickle_);
    }

private:
    template <typename... Parts>
    [[noreturn]] void damaged(const Parts &... parts) const {
        fail(ErrorCode::model_format, source_, ": the pickle is damaged: ", parts..., " at byte ", opcode_at_);
    }

    template <typename T>
    T number() {
        T value;
        std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
        return value;
    }
    std::string_view take(uint64_t n) {
        if (n > bytes_.size() - at_) damaged("it ends in the middle of an opcode");
        const std::string_view taken = bytes_.substr(at_, static_cast<size_t>(n));
        at_ += static_cast<size_t>(n);
        return taken;
    }
    std::string line() {
        const size_t end = bytes_.find('\n', at_);
        if (end == std::string_view::npos) damaged("a name has no end");
        const std::string text(take(end - at_));
        take(1);
        return text;
    }

    void push(PickleValue value) {
        if (pickle_.values.size() >= max_values) {
            fail(ErrorCode::unsupported, source_, ": the pickle holds more than ", max_values,
                 " objects, expected a state dict of tensors");
        }
        stack_.push_back(static_cast<uint32_t>(pickle_.values.size()));
        pickle_.values.push_back(std::move(value));
    }
    void push(Kind kind, int64_t integer = 0) {
        PickleValue value;
        value.kind = kind;
        value.integer = integer;
        push(std::move(value));
    }
    void push(Kind kind, std::string text) {
        PickleValue value;
        value.kind = kind;
        value.text = std::move(text);
        push(std::move(value));
    }
    void push(Kind kind, std::vector<uint32_t> items) {
        PickleValue value;
        value.kind = kind;
        value.items = std::move(items);
        push(std::move(value));
    }

    uint32_t pop() {
        const uint32_t index = top();
        stack_.pop_back();
        return index;
    }
    uint32_t top() const {
        if (stack_.empty() || kind_of(stack_.back()) == Kind::mark) damaged("a value is missing");
        return stack_.back();
    }
    std::vector<uint32_t> pop(size_t n) {
        std::vector<uint32_t> items(n);
        for (size_t i = n; i-- > 0;) items[i] = pop();
        return items;
    }
    std::vector<uint32_t> pop_to_mark() {
        const auto mark = std::find_if(stack_.rbegin(), stack_.rend(),
                                       [this](uint32_t index) { return kind_of(index) == Kind::mark; });
        if (mark == stack_.rend()) damaged("a mark is missing");
        std::vector<uint32_t> items(mark.base(), stack_.end());
        stack_.erase(mark.base() - 1, stack_.end());
        return items;
    }
    Kind kind_of(uint32_t index) const { return pickle_.values[index].kind; }

    void append_to(Kind kind, const std::vector<uint32_t> & items) {
        PickleValue & container = pickle_.values[top()];
        if (container.kind != kind) damaged("items are added to something else than a list or a dict");
        if (kind == Kind::dict && items.size() % 2 != 0) damaged("a dict has a key without a value");
        container.items.insert(container.items.end(), items.begin(), items.end());
    }
    void memoize(uint32_t key) { memo_[key] = top(); }
    void recall(uint32_t key) {
        const auto at = memo_.find(key);
        if (at == memo_.end()) damaged("it recalls what it never stored");
        if (stack_.size() >= max_stack) damaged("more than ", max_stack, " values wait on its stack");
        stack_.push_back(at->second);
    }

    void push_global(std::string name) {
        const auto * allowed = std::find(std::begin(allowed_globals), std::end(allowed_globals), name);
        if (allowed == std::end(allowed_globals)) {
            fail(ErrorCode::unsupported, source_, ": the pickle asks for '", name,
                 "', expected tensors only; nothing of it was run. If you trust the file, load it in Python and save "
                 "its state dict with safetensors.torch.save_file");
        }
        push(Kind::global, std::move(name));
    }
    [[noreturn]] void refuse(char opcode) const {
        const auto * named =
            std::find_if(std::begin(calling), std::end(calling), [&](const auto & one) { return one.first == opcode; });
        const std::string name =
            named == std::end(calling) ? std::to_string(int{static_cast<uint8_t>(opcode)}) : std::string(named->second);
        fail(ErrorCode::unsupported, source_, ": the pickle uses opcode ", name, " at byte ", opcode_at_,
             ", which no state dict of tensors needs; nothing of it was run");
    }
    void stack_global() {
        const std::vector<uint32_t> parts = pop(2);
        if (kind_of(parts[0]) != Kind::text || kind_of(parts[1]) != Kind::text) damaged("a global has no name");
        push_global(pickle_[parts[0]].text + "." + pickle_[parts[1]].text);
    }
    void reduce() {
        const uint32_t arguments = pop();
        const uint32_t callee = pop();
        if (kind_of(arguments) != Kind::tuple || kind_of(callee) != Kind::global) damaged("a call has no callee");
        // a bound, since one long tuple could be the arguments of many calls
        if (pickle_[arguments].items.size() > max_arguments) damaged("a call has too many arguments");
        if (pickle_[callee].text == "collections.OrderedDict") {
            if (!pickle_[arguments].items.empty()) damaged("an OrderedDict has arguments");
            return push(Kind::dict);
        }
        PickleValue call;
        call.kind = Kind::call;
        call.text = pickle_[callee].text;
        call.items = pickle_[arguments].items;
        push(std::move(call));
    }
    /// BUILD gives a state dict its attribute _metadata, which nobody here needs.
    void drop_attributes() {
        pop();
        if (kind_of(top()) != Kind::dict) damaged("an object that is no dict has attributes");
    }
    void push_long(std::string_view bytes) {
        if (bytes.size() > 8) damaged("an integer is too long");
        uint64_t value = 0;
        for (size_t i = 0; i < bytes.size(); ++i) value |= uint64_t{static_cast<uint8_t>(bytes[i])} << (8 * i);
        const bool negative = !bytes.empty() && (bytes.back() & 0x80) != 0;
        if (negative && bytes.size() < 8) value |= ~uint64_t{0} << (8 * bytes.size());
        push(Kind::integer, static_cast<int64_t>(value));
    }

    /// One opcode; false at the end.
    bool step() {
        opcode_at_ = at_;
        const char opcode = take(1)[0];
        switch (opcode) {
            case '\x80':  // PROTO
                if (const auto protocol = number<uint8_t>(); protocol > 5) damaged("protocol ", int{protocol});
                return true;
            case '\x95': number<uint64_t>(); return true;  // FRAME
            case '.': return false;                        // STOP
            case '(': push(Kind::mark); return true;
            case 'N': push(Kind::none); return true;
            case '\x88': push(Kind::boolean, 1); return true;                                  // NEWTRUE
            case '\x89': push(Kind::boolean, 0); return true;                                  // NEWFALSE
            case 'J': push(Kind::integer, number<int32_t>()); return true;                     // BININT
            case 'K': push(Kind::integer, number<uint8_t>()); return true;                     // BININT1
            case 'M': push(Kind::integer, number<uint16_t>()); return true;                    // BININT2
            case '\x8a': push_long(take(number<uint8_t>())); return true;                      // LONG1
            case 'G': take(8), push(Kind::real); return true;                                  // BINFLOAT
            case 'X': push(Kind::text, std::string(take(number<uint32_t>()))); return true;    // BINUNICODE
            case '\x8c': push(Kind::text, std::string(take(number<uint8_t>()))); return true;  // SHORT_BINUNICODE
            case ')': push(Kind::tuple); return true;
            case '\x85': push(Kind::tuple, pop(1)); return true;
            case '\x86': push(Kind::tuple, pop(2)); return true;
            case '\x87': push(Kind::tuple, pop(3)); return true;
            case 't': push(Kind::tuple, pop_to_mark()); return true;
            case ']': push(Kind::list); return true;
            case 'a': append_to(Kind::list, pop(1)); return true;         // APPEND
            case 'e': append_to(Kind::list, pop_to_mark()); return true;  // APPENDS
            case '}': push(Kind::dict); return true;
            case 's': append_to(Kind::dict, pop(2)); return true;                    // SETITEM
            case 'u': append_to(Kind::dict, pop_to_mark()); return true;             // SETITEMS
            case 'q': memoize(number<uint8_t>()); return true;                       // BINPUT
            case 'r': memoize(number<uint32_t>()); return true;                      // LONG_BINPUT
            case '\x94': memoize(static_cast<uint32_t>(memo_.size())); return true;  // MEMOIZE
            case 'h': recall(number<uint8_t>()); return true;                        // BINGET
            case 'j': recall(number<uint32_t>()); return true;                       // LONG_BINGET
            case 'c': {                                                              // GLOBAL
                const std::string module = line();
                push_global(module + "." + line());
                return true;
            }
            case '\x93': stack_global(); return true;
            case 'Q': push(Kind::persistent, pop(1)); return true;  // BINPERSID
            case 'R': reduce(); return true;
            case 'b': drop_attributes(); return true;
            case 'i': {  // INST: a global and its call in one
                const std::string module = line();
                push_global(module + "." + line());
                refuse(opcode);
            }
            default: refuse(opcode);
        }
    }

    std::string_view bytes_;
    const std::string & source_;
    size_t at_ = 0;
    size_t opcode_at_ = 0;
    Pickle pickle_;
    std::vector<uint32_t> stack_;
    std::unordered_map<uint32_t, uint32_t> memo_;
};

}  // namespace

Pickle read_pickle(std::string_view bytes, const std::string & source) {
    if (bytes.size() > max_bytes) {
        fail(ErrorCode::unsupported, source, ": the pickle has ", bytes.size(), " bytes, expected at most ", max_bytes);
    }
    return Machine(bytes, source).run();
}

}  // namespace altclip

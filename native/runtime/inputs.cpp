#include "runtime/inputs.h"

#include <algorithm>
#include <cmath>

#include "error.h"
#include "runtime/machine.h"

namespace altclip {

namespace {

void check_size(const char * name, size_t got, int64_t expected, const char * shape) {
    if (got != static_cast<size_t>(expected)) {
        fail(ErrorCode::invalid_argument, name, " has ", got, " values, expected ", expected, " (", shape, ")");
    }
}

void check_finite(const char * name, const std::vector<float> & values) {
    const auto bad = std::find_if_not(values.begin(), values.end(), [](float x) { return std::isfinite(x); });
    if (bad != values.end())
        fail(ErrorCode::invalid_argument, name, "[", bad - values.begin(), "] is ", *bad, ", expected finite numbers");
}

/// `limit_name` says in transformers' terms what `limit` is.
void check_range(const char * name, const std::vector<int64_t> & values, int64_t n_columns, int64_t limit,
                 const char * limit_name) {
    for (size_t i = 0; i < values.size(); ++i) {
        if (values[i] >= 0 && values[i] < limit) continue;
        const auto at = static_cast<int64_t>(i);
        fail(ErrorCode::invalid_argument, name, "[", at / n_columns, "][", at % n_columns, "] is ", values[i],
             ", expected 0 to ", limit - 1, " (", limit_name, " is ", limit, ")");
    }
}

/// Positions count the tokens that are not pad, from pad_token_id + 1 on; embeddings have no ids, so all count.
std::vector<int64_t> default_positions(const TextInput & input, const TextHparams & p) {
    std::vector<int64_t> positions(static_cast<size_t>(input.n_rows * input.n_columns));
    for (int64_t row = 0; row < input.n_rows; ++row) {
        int64_t n = 0;
        for (int64_t i = row * input.n_columns; i < (row + 1) * input.n_columns; ++i) {
            const bool counts = input.ids.empty() || input.ids[static_cast<size_t>(i)] != p.pad_token_id;
            positions[static_cast<size_t>(i)] = p.pad_token_id + (counts ? ++n : 0);
        }
        const int64_t longest = p.n_positions - p.pad_token_id - 1;
        if (n > longest) {
            fail(ErrorCode::invalid_argument, input.ids.empty() ? "inputs_embeds" : "input_ids", " row ", row, " has ",
                 n, " tokens, the model takes at most ", longest, "; pass truncation to the tokenizer");
        }
    }
    return positions;
}

}  // namespace

void TextInput::prepare(const TextHparams & p) {
    constexpr int64_t most = int64_t{1} << 31;
    if (n_rows < 1 || n_columns < 1 || n_rows > most || n_columns > most / n_rows) {
        fail(ErrorCode::invalid_argument, "the text batch has shape [", n_rows, ", ", n_columns,
             "], expected at least one row and one token");
    }
    const int64_t n = n_rows * n_columns;
    if (ids.empty() == embeds.empty()) {
        fail(ErrorCode::invalid_argument, "exactly one of input_ids and inputs_embeds is expected, got ",
             ids.empty() ? "neither" : "both");
    }
    if (!ids.empty()) {
        check_size("input_ids", ids.size(), n, "[rows, tokens]");
        check_range("input_ids", ids, n_columns, p.n_vocab, "vocab_size");
    } else {
        check_size("inputs_embeds", embeds.size(), n * p.n_embd, "[rows, tokens, hidden_size]");
        check_finite("inputs_embeds", embeds);
    }
    if (!attention_mask.empty()) check_size("attention_mask", attention_mask.size(), n, "[rows, tokens]");
    if (!token_type_ids.empty()) {
        check_size("token_type_ids", token_type_ids.size(), n, "[rows, tokens]");
        check_range("token_type_ids", token_type_ids, n_columns, p.n_token_types, "type_vocab_size");
    }
    if (position_ids.empty()) {
        position_ids = default_positions(*this, p);
    } else {
        check_size("position_ids", position_ids.size(), n, "[rows, tokens]");
        check_range("position_ids", position_ids, n_columns, p.n_positions, "max_position_embeddings");
    }
}

void ImageInput::check(const VisionHparams & p) const {
    constexpr int64_t largest_side = 1 << 16;
    if (n_images < 1 || n_images > (1 << 24))
        fail(ErrorCode::invalid_argument, "pixel_values holds ", n_images, " images, expected at least one");
    if (n_channels != p.n_channels)
        fail(ErrorCode::invalid_argument, "pixel_values has ", n_channels, " channels, expected ", p.n_channels);
    if (height < 1 || width < 1 || height > largest_side || width > largest_side) {
        fail(ErrorCode::invalid_argument, "pixel_values is ", height, " x ", width, " pixels, expected 1 to ",
             largest_side, " a side");
    }
    if (!interpolate_pos_encoding && (height != p.image_size || width != p.image_size)) {
        fail(ErrorCode::invalid_argument, "pixel_values is ", height, " x ", width, " pixels, the model takes ",
             p.image_size, " x ", p.image_size, "; pass interpolate_pos_encoding for other sizes");
    }
    if (height < p.patch_size || width < p.patch_size) {
        fail(ErrorCode::invalid_argument, "pixel_values is ", height, " x ", width, " pixels, smaller than one patch (",
             p.patch_size, ")");
    }
    check_size("pixel_values", pixel_values.size(), n_images * n_channels * height * width,
               "[images, channels, height, width]");
    check_finite("pixel_values", pixel_values);
}

void TowerOutput::allocate(const Wanted & wanted, const EncoderHparams & p, int64_t n, int64_t tokens, int64_t width,
                           int64_t projection_dim) {
    const auto room = [](auto... sizes) { return (static_cast<size_t>(sizes) * ...); };
    n_tokens = tokens;
    if (wanted.last_hidden_state) last_hidden_state.resize(room(n, tokens, width));
    if (wanted.pooler_output) pooler_output.resize(room(n, width));
    if (wanted.features) features.resize(room(n, projection_dim));
    if (wanted.hidden_states) hidden_states.assign(room(p.n_layer) + 1, std::vector<float>(room(n, tokens, p.n_embd)));
    if (wanted.attentions) {
        const double n_weights =
            static_cast<double>(n) * p.n_head * static_cast<double>(tokens) * static_cast<double>(tokens);
        check_memory(n_weights * p.n_layer * sizeof(float), "the attentions of this input");
        attentions.assign(room(p.n_layer), std::vector<float>(room(n, p.n_head, tokens, tokens)));
    }
}

}  // namespace altclip

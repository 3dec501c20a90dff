// What a tower refuses before the engine sees it, and the positions it counts by itself.
#include <cmath>

#include "check.h"
#include "runtime/inputs.h"

using namespace altclip;

namespace {

TextHparams text_hparams() {
    TextHparams p;
    p.n_embd = 4;
    p.n_vocab = 10;
    p.n_positions = 8;
    p.n_token_types = 2;
    return p;
}

VisionHparams vision_hparams() {
    VisionHparams p;
    p.image_size = 4;
    p.patch_size = 2;
    p.n_channels = 3;
    return p;
}

TextInput ids(int64_t rows, int64_t columns, std::vector<int64_t> values) {
    TextInput input;
    input.n_rows = rows;
    input.n_columns = columns;
    input.ids = std::move(values);
    return input;
}

ImageInput picture(int64_t height, int64_t width) {
    ImageInput input;
    input.n_images = 1;
    input.n_channels = 3;
    input.height = height;
    input.width = width;
    input.pixel_values.assign(static_cast<size_t>(3 * height * width), 0.5f);
    return input;
}

}  // namespace

TEST("positions count what is not pad, from pad + 1 on (transformers' create_position_ids_from_input_ids)") {
    TextInput input = ids(2, 4, {0, 5, 2, 1, 1, 0, 1, 2});
    input.prepare(text_hparams());
    CHECK((input.position_ids == std::vector<int64_t>{2, 3, 4, 1, 1, 2, 1, 3}));
}

TEST("positions of embeddings simply count") {
    TextInput input;
    input.n_rows = 1;
    input.n_columns = 3;
    input.embeds.assign(12, 0.0f);
    input.prepare(text_hparams());
    CHECK((input.position_ids == std::vector<int64_t>{2, 3, 4}));
}

TEST("text that cannot be computed") {
    const auto refuse = [](TextInput input, const char * part) {
        CHECK_ERROR(invalid_argument, part, input.prepare(text_hparams()));
    };
    refuse(ids(0, 0, {}), "[0, 0]");
    refuse(ids(1, 2, {}), "neither");
    refuse(ids(1, 2, {0, 10}), "input_ids[0][1] is 10, expected 0 to 9");
    refuse(ids(2, 1, {0, -1}), "input_ids[1][0] is -1");
    refuse(ids(1, 2, {0}), "input_ids has 1 values, expected 2");
    refuse(ids(1, 7, {0, 3, 3, 3, 3, 3, 2}), "row 0 has 7 tokens, the model takes at most 6");
    TextInput both = ids(1, 1, {0});
    both.embeds.assign(4, 0.0f);
    refuse(both, "both");
    TextInput embeds;
    embeds.n_rows = embeds.n_columns = 1;
    embeds.embeds.assign(3, 0.0f);
    refuse(embeds, "inputs_embeds has 3 values, expected 4");
    embeds.embeds = {0, NAN, 0, 0};
    refuse(embeds, "inputs_embeds[1] is nan");
    TextInput mask = ids(1, 2, {0, 2});
    mask.attention_mask = {1, 1, 1};
    refuse(mask, "attention_mask has 3 values");
    TextInput positions = ids(1, 2, {0, 2});
    positions.position_ids = {0, 8};
    refuse(positions, "position_ids[0][1] is 8");
    positions.position_ids = {0, -1};
    refuse(positions, "position_ids[0][1] is -1");
    TextInput types = ids(1, 2, {0, 2});
    types.token_type_ids = {0, 2};
    refuse(types, "token_type_ids[0][1] is 2");
}

TEST("pictures that cannot be computed") {
    const auto refuse = [](const ImageInput & input, const char * part) {
        CHECK_ERROR(invalid_argument, part, input.check(vision_hparams()));
    };
    picture(4, 4).check(vision_hparams());
    refuse(picture(4, 6), "4 x 6 pixels, the model takes 4 x 4");
    ImageInput other_size = picture(4, 6);
    other_size.interpolate_pos_encoding = true;
    other_size.check(vision_hparams());
    CHECK(other_size.n_patches(vision_hparams()) == 6);
    ImageInput small = picture(1, 4);
    small.interpolate_pos_encoding = true;
    refuse(small, "smaller than one patch");
    ImageInput channels = picture(4, 4);
    channels.n_channels = 4;
    refuse(channels, "4 channels, expected 3");
    ImageInput none = picture(4, 4);
    none.n_images = 0;
    refuse(none, "0 images");
    ImageInput nan = picture(4, 4);
    nan.pixel_values[5] = NAN;
    refuse(nan, "pixel_values[5] is nan");
    ImageInput short_data = picture(4, 4);
    short_data.pixel_values.pop_back();
    refuse(short_data, "47 values, expected 48");
}

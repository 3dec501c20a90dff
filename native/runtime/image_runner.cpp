#include <algorithm>

#include "graph/position_interpolation.h"
#include "graph/vision_tower.h"
#include "runtime/tower_runner.h"

namespace altclip {

namespace {

struct Image {
    Job * job;
    int64_t index;
};

Layout layout_of(int64_t n_images, int64_t n_tokens) {
    Layout layout{{{n_images, n_tokens, n_tokens, 0, false}}, {}, n_images * n_tokens};
    for (int64_t i = 0; i < n_images; ++i) layout.pooled_rows.push_back(static_cast<int32_t>(i * n_tokens));
    return layout;
}

/// Cuts a picture into patches, row by row, each [n_channels][patch][patch]; pixels beyond the last whole patch are
/// left out. `n_row`: values of a patch with the zeros behind it, which `target` holds already.
void write_patches(const ImageInput & input, int64_t image, int64_t patch, int64_t n_row, float * target) {
    const float * pixels = input.pixel_values.data() + image * input.n_channels * input.height * input.width;
    for (int64_t y = 0; y + patch <= input.height; y += patch) {
        for (int64_t x = 0; x + patch <= input.width; x += patch, target += n_row) {
            float * at = target;
            for (int64_t c = 0; c < input.n_channels; ++c) {
                for (int64_t row = 0; row < patch; ++row, at += patch) {
                    std::copy_n(pixels + (c * input.height + y + row) * input.width + x, patch, at);
                }
            }
        }
    }
}

/// A tensor with `n` floats an image into the jobs' outputs.
template <typename Member>
void scatter(Compute & compute, const ggml_tensor * tensor, const std::vector<Image> & images, Member member) {
    const size_t n = static_cast<size_t>(ggml_nelements(tensor)) / images.size();
    const float * values = compute.read(tensor);
    for (const Image & image : images) {
        std::copy_n(values, n, member(image.job->output).data() + static_cast<size_t>(image.index) * n);
        values += n;
    }
}

GraphShape shape_of(const ImagePatches & images, const Wanted & wanted) {
    GraphShape shape = altclip::shape_of(false, images.positions != nullptr, wanted);
    shape.insert(shape.end(), {images.n_images, images.n_patches});
    return shape;
}

void run_batch(const Model & model, Compute & compute, const std::vector<Image> & images, const ImagePatches & input,
               const Aborted & aborted) {
    const VisionHparams & p = *model.hparams.vision;
    const Wanted & wanted = images[0].job->wanted;
    const Layout layout = layout_of(input.n_images, 1 + input.n_patches);
    GraphBuilder builder(compute.metadata(shape_of(input, wanted)), Blocks::max_nodes(p.n_layer, 1));
    const TowerGraph graph = build_vision_tower(builder, *model.vision, p, layout, input, wanted, compute.execution());
    compute.run(builder, aborted);
    if (wanted.last_hidden_state)
        scatter(
            compute, graph.last_hidden_state, images,
            [](TowerOutput & out) -> auto & { return out.last_hidden_state; });
    if (wanted.pooler_output)
        scatter(
            compute, graph.pooler_output, images, [](TowerOutput & out) -> auto & { return out.pooler_output; });
    if (wanted.features)
        scatter(
            compute, graph.features, images, [](TowerOutput & out) -> auto & { return out.features; });
    for (size_t i = 0; i < graph.hidden_states.size(); ++i) {
        scatter(
            compute, graph.hidden_states[i], images, [i](TowerOutput & out) -> auto & { return out.hidden_states[i]; });
    }
    for (size_t i = 0; i < graph.attentions.size(); ++i) {
        scatter(
            compute, graph.attentions[i][0], images, [i](TowerOutput & out) -> auto & { return out.attentions[i]; });
    }
}

}  // namespace

void run_image_jobs(const Model & model, Compute & compute, const std::vector<Job *> & jobs, const Aborted & aborted) {
    const VisionHparams & p = *model.hparams.vision;
    const ImageInput & first = jobs[0]->image();
    const int64_t height = first.height / p.patch_size, width = first.width / p.patch_size, n_patches = height * width;
    const int64_t n_tokens = 1 + n_patches;

    std::vector<float> positions;
    if (height != p.n_grid() || width != p.n_grid())
        positions =
            interpolate_positions(compute.read(model.vision->position_embd), p.n_grid(), p.n_embd, height, width);
    std::vector<Image> all;
    for (Job * job : jobs) {
        job->output.allocate(job->wanted, p, job->image().n_images, n_tokens, p.n_embd, model.hparams.projection_dim);
        for (int64_t i = 0; i < job->image().n_images; ++i) all.push_back({job, i});
    }

    int64_t budget = compute.batch_tokens();
    std::vector<float> patches;
    for (size_t begin = 0, end = 0; begin < all.size(); begin = end) {
        if (aborted()) fail(ErrorCode::aborted, "the operation was aborted");
        budget = with_room(budget, n_tokens, [&](int64_t tokens) {
            end = std::min(begin + static_cast<size_t>(std::max<int64_t>(1, tokens / n_tokens)), all.size());
            const std::vector<Image> images(all.begin() + static_cast<std::ptrdiff_t>(begin),
                                            all.begin() + static_cast<std::ptrdiff_t>(end));
            const auto n_images = static_cast<int64_t>(images.size());
            const int64_t n_row = model.vision->patch_embd.weight->ne[0];
            const int64_t n_values = n_patches * n_row;
            patches.resize(static_cast<size_t>(n_images * n_values));
            for (int64_t i = 0; i < n_images; ++i) {
                const Image & image = images[static_cast<size_t>(i)];
                write_patches(image.job->image(), image.index, p.patch_size, n_row, patches.data() + i * n_values);
            }
            const float * grid = positions.empty() ? nullptr : positions.data();
            run_batch(model, compute, images, {patches.data(), grid, n_images, n_patches}, aborted);
        });
    }
}

void reserve_image(const Model & model, Compute & compute) {
    const VisionHparams & p = *model.hparams.vision;
    const auto reserve = [&](int64_t budget) {
        const int64_t n_images = std::max<int64_t>(1, budget / p.n_positions());
        const Layout layout = layout_of(n_images, p.n_positions());
        const ImagePatches input{nullptr, nullptr, n_images, p.n_positions() - 1};
        Wanted wanted;
        (model.hparams.projection_dim > 0 ? wanted.features : wanted.pooler_output) = true;
        GraphBuilder builder(compute.metadata(shape_of(input, wanted)), Blocks::max_nodes(p.n_layer, 1));
        build_vision_tower(builder, *model.vision, p, layout, input, wanted, compute.execution());
        compute.reserve(builder);
    };
    compute.set_batch_tokens(with_room(compute.batch_tokens(), p.n_positions(), reserve));
}

}  // namespace altclip

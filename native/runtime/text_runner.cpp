#include <algorithm>
#include <cstring>
#include <tuple>

#include "graph/text_tower.h"
#include "runtime/tower_runner.h"

namespace altclip {

namespace {

constexpr size_t max_groups = 32;  // different lengths in one graph

/// One row of a job, unpadded: the columns that are computed, in the order in which they lie in the batch.
struct Sequence {
    Job * job = nullptr;
    int64_t row = 0;
    std::vector<int32_t>
        columns;  // visible ones first; then column 0 if the mask hides it, since it is pooled all the same
    int64_t n_key = 0;
    int32_t pooled = 0;  // index of column 0 in columns
    bool uniform = false;

    auto shape() const { return std::make_tuple(uniform, columns.size(), n_key); }
    size_t source(int32_t column) const { return static_cast<size_t>(row * job->text().n_columns + column); }
};

Sequence make_sequence(Job & job, int64_t row) {
    const TextInput & input = job.text();
    Sequence sequence{&job, row, {}, 0, 0, false};
    for (int32_t column = 0; column < input.n_columns; ++column) {
        if (input.attention_mask.empty() || input.attention_mask[sequence.source(column)] != 0)
            sequence.columns.push_back(column);
    }
    if (sequence.columns.empty()) {
        sequence.uniform = true;
        for (int32_t column = 0; column < input.n_columns; ++column) sequence.columns.push_back(column);
    }
    sequence.n_key = static_cast<int64_t>(sequence.columns.size());
    if (sequence.columns[0] != 0) {
        sequence.pooled = static_cast<int32_t>(sequence.columns.size());
        sequence.columns.push_back(0);
    }
    return sequence;
}

/// A row of a table in host memory, of whatever type, as floats.
void read_row(const ggml_tensor & table, int64_t row, float * target) {
    const auto * source = static_cast<const uint8_t *>(table.data) + static_cast<size_t>(row) * table.nb[1];
    if (table.type == GGML_TYPE_F32) {
        std::memcpy(target, source, static_cast<size_t>(table.ne[0]) * sizeof(float));
    } else {
        ggml_get_type_traits(table.type)->to_float(source, target, table.ne[0]);
    }
}

/// Consecutive sequences of one graph with the host data of their rows.
class Batch {
public:
    /// `host_table`: the token embeddings, where they are looked up here; else null.
    Batch(const Sequence * first, const Sequence * last, const TextHparams & p, const ggml_tensor * host_table)
        : first_(first), last_(last) {
        for (const Sequence * sequence = first; sequence != last; ++sequence) {
            const auto n_query = static_cast<int64_t>(sequence->columns.size());
            if (sequence == first || sequence->shape() != (sequence - 1)->shape()) {
                layout_.groups.push_back({0, n_query, sequence->n_key, layout_.n_rows, sequence->uniform});
            }
            ++layout_.groups.back().n_seq;
            layout_.pooled_rows.push_back(static_cast<int32_t>(layout_.n_rows) + sequence->pooled);
            layout_.n_rows += n_query;
            const TextInput & input = sequence->job->text();
            for (const int32_t column : sequence->columns) {
                const size_t at = sequence->source(column);
                positions_.push_back(static_cast<int32_t>(input.position_ids[at]));
                token_types_.push_back(input.token_type_ids.empty() ? 0
                                                                    : static_cast<int32_t>(input.token_type_ids[at]));
                if (input.embeds.empty() && host_table) {
                    embeds_.resize(embeds_.size() + static_cast<size_t>(p.n_embd));
                    read_row(*host_table, input.ids[at], embeds_.data() + embeds_.size() - p.n_embd);
                } else if (input.embeds.empty()) {
                    ids_.push_back(static_cast<int32_t>(input.ids[at]));
                } else {
                    const auto embed = input.embeds.begin() + static_cast<std::ptrdiff_t>(at) * p.n_embd;
                    embeds_.insert(embeds_.end(), embed, embed + p.n_embd);
                }
            }
        }
    }

    const Layout & layout() const { return layout_; }
    TextRows rows() const {
        return {ids_.data(), embeds_.empty() ? nullptr : embeds_.data(), positions_.data(), token_types_.data()};
    }

    /// A tensor of all rows [width, n_rows] into each job's [n, n_columns, width].
    template <typename Member>
    void scatter_rows(Compute & compute, const ggml_tensor * tensor, Member member) const {
        const auto width = static_cast<size_t>(tensor->ne[0]);
        const float * values = compute.read(tensor);
        for (const Sequence * sequence = first_; sequence != last_; ++sequence) {
            for (const int32_t column : sequence->columns) {
                std::copy_n(values, width, member(sequence->job->output).data() + sequence->source(column) * width);
                values += width;
            }
        }
    }
    /// A tensor of one row a sequence [width, n_seq] into each job's [n, width].
    template <typename Member>
    void scatter_pooled(Compute & compute, const ggml_tensor * tensor, Member member) const {
        const auto width = static_cast<size_t>(tensor->ne[0]);
        const float * values = compute.read(tensor);
        for (const Sequence * sequence = first_; sequence != last_; ++sequence, values += width) {
            std::copy_n(values, width,
                        member(sequence->job->output).data() + static_cast<size_t>(sequence->row) * width);
        }
    }
    /// Per group [n_key, n_query, n_head, n_seq] into each job's [n, n_head, n_columns, n_columns].
    void scatter_attentions(Compute & compute, const std::vector<ggml_tensor *> & groups, size_t block) const {
        const Sequence * sequence = first_;
        for (const ggml_tensor * tensor : groups) {
            const float * value = compute.read(tensor);
            for (int64_t i = 0; i < tensor->ne[3]; ++i, ++sequence) {
                const auto n = static_cast<size_t>(sequence->job->text().n_columns);
                float * target = sequence->job->output.attentions[block].data() +
                                 static_cast<size_t>(sequence->row) * static_cast<size_t>(tensor->ne[2]) * n * n;
                for (int64_t head = 0; head < tensor->ne[2]; ++head, target += n * n) {
                    for (const int32_t query : sequence->columns) {
                        for (int64_t key = 0; key < sequence->n_key; ++key) {
                            target[static_cast<size_t>(query) * n +
                                   static_cast<size_t>(sequence->columns[static_cast<size_t>(key)])] = *value++;
                        }
                    }
                }
            }
        }
    }

private:
    const Sequence * first_;
    const Sequence * last_;
    Layout layout_;
    std::vector<int32_t> ids_;
    std::vector<float> embeds_;
    std::vector<int32_t> positions_;
    std::vector<int32_t> token_types_;
};

/// As many sequences as fit a graph's budget, at least one.
const Sequence * batch_end(const Sequence * first, const Sequence * last, int64_t budget) {
    size_t n_tokens = 0, n_groups = 0;
    const Sequence * end = first;
    for (; end != last; ++end) {
        n_tokens += end->columns.size();
        n_groups += end == first || end->shape() != (end - 1)->shape() ? 1 : 0;
        const bool same_kind = end->job->text().embeds.empty() == first->job->text().embeds.empty();
        if (end != first && (!same_kind || n_groups > max_groups || n_tokens > static_cast<size_t>(budget))) break;
    }
    return end;
}

GraphShape shape_of(const Layout & layout, bool from_embeds, const Wanted & wanted) {
    GraphShape shape = altclip::shape_of(true, from_embeds, wanted);
    for (const SequenceGroup & group : layout.groups)
        shape.insert(shape.end(), {group.n_seq, group.n_query, group.n_key, group.uniform});
    return shape;
}

void run_batch(const Model & model, Compute & compute, const Batch & batch, const Wanted & wanted,
               const Aborted & aborted) {
    const TextHparams & p = *model.hparams.text;
    const Layout & layout = batch.layout();
    GraphBuilder builder(compute.metadata(shape_of(layout, batch.rows().embeds != nullptr, wanted)),
                         Blocks::max_nodes(p.n_layer, layout.groups.size()));
    const TowerGraph graph =
        build_text_tower(builder, *model.text, p, layout, batch.rows(), wanted, compute.execution());
    compute.run(builder, aborted);
    if (wanted.last_hidden_state)
        batch.scatter_rows(
            compute, graph.last_hidden_state, [](TowerOutput & out) -> auto & { return out.last_hidden_state; });
    if (wanted.pooler_output)
        batch.scatter_pooled(
            compute, graph.pooler_output, [](TowerOutput & out) -> auto & { return out.pooler_output; });
    if (wanted.features)
        batch.scatter_pooled(
            compute, graph.features, [](TowerOutput & out) -> auto & { return out.features; });
    for (size_t i = 0; i < graph.hidden_states.size(); ++i) {
        batch.scatter_rows(
            compute, graph.hidden_states[i], [i](TowerOutput & out) -> auto & { return out.hidden_states[i]; });
    }
    for (size_t i = 0; i < graph.attentions.size(); ++i) batch.scatter_attentions(compute, graph.attentions[i], i);
}

}  // namespace

GraphShape shape_of(bool is_text, bool other_input, const Wanted & wanted) {
    return {is_text,         other_input,          wanted.last_hidden_state, wanted.pooler_output,
            wanted.features, wanted.hidden_states, wanted.attentions};
}

void run_text_jobs(const Model & model, Compute & compute, const std::vector<Job *> & jobs, const Aborted & aborted) {
    std::vector<Sequence> sequences;
    for (Job * job : jobs) {
        job->output.allocate(job->wanted, *model.hparams.text, job->text().n_rows, job->text().n_columns,
                             model.hparams.text->n_project, model.hparams.projection_dim);
        for (int64_t row = 0; row < job->text().n_rows; ++row) sequences.push_back(make_sequence(*job, row));
    }
    // equal shapes together: they share one attention group
    std::stable_sort(sequences.begin(), sequences.end(),
                     [](const Sequence & a, const Sequence & b) { return a.shape() < b.shape(); });
    const ggml_tensor * host_table = compute.execution().host_lookup ? model.text->token_embd : nullptr;
    int64_t budget = compute.batch_tokens();
    const Sequence * const last = sequences.data() + sequences.size();
    for (const Sequence *first = sequences.data(), *end = first; first != last; first = end) {
        if (aborted()) fail(ErrorCode::aborted, "the operation was aborted");
        budget = with_room(budget, static_cast<int64_t>(first->columns.size()), [&](int64_t tokens) {
            end = batch_end(first, last, tokens);
            const Batch batch(first, end, *model.hparams.text, host_table);
            run_batch(model, compute, batch, jobs[0]->wanted, aborted);
        });
    }
}

void reserve_text(const Model & model, Compute & compute) {
    const TextHparams & p = *model.hparams.text;
    const int64_t longest = std::min<int64_t>(p.n_positions - p.pad_token_id - 1, compute.batch_tokens());
    const auto reserve = [&](int64_t budget) {
        const int64_t n_seq = budget / longest;
        const Layout layout{
            {{n_seq, longest, longest, 0, false}}, std::vector<int32_t>(static_cast<size_t>(n_seq)), n_seq * longest};
        const float nothing = 0;  // a graph that is never run reads no input
        TextRows rows;
        if (compute.execution().host_lookup) rows.embeds = &nothing;
        Wanted wanted;
        (model.hparams.projection_dim > 0 ? wanted.features : wanted.pooler_output) = true;
        GraphBuilder builder(compute.metadata(shape_of(layout, rows.embeds != nullptr, wanted)),
                             Blocks::max_nodes(p.n_layer, 1));
        build_text_tower(builder, *model.text, p, layout, rows, wanted, compute.execution());
        compute.reserve(builder);
    };
    compute.set_batch_tokens(with_room(compute.batch_tokens(), longest, reserve));
}

}  // namespace altclip

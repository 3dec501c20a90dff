// Runs jobs through a tower: cuts them into batches that fit the work buffer, builds each batch's graph, computes it
// and sorts the results back into the jobs' outputs.
#pragma once

#include <algorithm>
#include <functional>
#include <vector>

#include "error.h"
#include "model/model.h"
#include "runtime/compute.h"
#include "runtime/job.h"

namespace altclip {

/// Asked between batches and between operators whether the work has lost its point.
using Aborted = std::function<bool()>;

/// All jobs want the same tensors. Throws what Compute::run throws.
void run_text_jobs(const Model & model, Compute & compute, const std::vector<Job *> & jobs, const Aborted & aborted);
/// All jobs want the same tensors and have pictures of one size.
void run_image_jobs(const Model & model, Compute & compute, const std::vector<Job *> & jobs, const Aborted & aborted);

/// Makes the work buffer large enough for full batches of the ordinary kind (only pooled rows wanted); where the memory
/// has no room for those, for smaller ones. Throws what Compute::reserve throws where it has room for none.
void reserve_text(const Model & model, Compute & compute);
void reserve_image(const Model & model, Compute & compute);

/// What tells the shapes of the towers' graphs apart, and what they give back.
GraphShape shape_of(bool is_text, bool other_input, const Wanted & wanted);

/// Calls `work` with a budget of tokens, and again with half of it as long as memory runs out and the budget stays at
/// `least` or more. Returns the budget that did.
template <typename Work>
int64_t with_room(int64_t budget, int64_t least, Work work) {
    for (;; budget = std::max(least, budget / 2)) {
        try {
            work(budget);
            return budget;
        } catch (const Error & error) {
            if (error.code() != ErrorCode::out_of_memory || budget <= least) throw;
        }
    }
}

}  // namespace altclip

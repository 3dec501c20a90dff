// Runs jobs through a tower: cuts them into batches that fit the work buffer, builds each batch's graph, computes it
// and sorts the results back into the jobs' outputs.
#pragma once

#include <functional>
#include <vector>

#include "model/model.h"
#include "runtime/compute.h"
#include "runtime/job.h"

namespace altclip {

/// Tokens of one graph: eight pictures of ViT-L/14, enough for the matrix products to run at full speed.
inline constexpr int64_t max_batch_tokens = 8 * 257;

/// Asked between batches and between operators whether the work has lost its point.
using Aborted = std::function<bool()>;

/// All jobs want the same tensors. Throws what Compute::run throws.
void run_text_jobs(const Model & model, Compute & compute, const std::vector<Job *> & jobs, const Aborted & aborted);
/// All jobs want the same tensors and have pictures of one size.
void run_image_jobs(const Model & model, Compute & compute, const std::vector<Job *> & jobs, const Aborted & aborted);

/// Makes the work buffer large enough for full batches of the ordinary kind (only pooled rows wanted).
void reserve_text(const Model & model, Compute & compute);
void reserve_image(const Model & model, Compute & compute);

}  // namespace altclip

// Says what the projection will be fitted to, before any image is read.
#ifndef S2P_TRAINER_IHDA_START_PLAN_H_
#define S2P_TRAINER_IHDA_START_PLAN_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "s2p/v1/training.pb.h"
#include "trainer/ihda/training_data.h"
#include "trainer/start/projection_init.h"

namespace s2p {

// With fewer pairs than this the best axes of a short embedding lose more of what the network
// distinguishes by itself than they gain (docs/lab/few_pairs.md).
inline constexpr int kFewPairs = 100;

// The images of the target that are trained on, and those that the start is fitted to. A value.
struct StartPlan {
  size_t photos = 0;
  // Sketches by people, and pseudo-sketches.
  size_t drawn = 0;
  size_t made = 0;
  StartImages images;
};

StartPlan PlanStart(const OpenDataSets& data_sets, const v1::TrainingSpec& spec);

// True for a run that fits the projection to its pairs before training.
bool FitsProjection(const v1::TrainingSpec& spec);

// Settles embedding.dimension of a resolved spec that has embedding.few_pairs_dimension, and clears
// that field: the run is then the same as one that asks for the length by itself. The length is
// few_pairs_dimension, or that of the pooled features if that is less, where the projection is
// fitted to fewer than kFewPairs pairs; it is never less than embedding.dimension. A run that
// continues from a version in `checkpoint_root` keeps the length of that version if it is one of
// the two. NotFound, naming the way out, if that version is gone.
absl::Status SettleDimension(const OpenDataSets& data_sets, const std::string& checkpoint_root,
                             v1::TrainingSpec& spec);

// As SettleDimension, for a spec that continues from a version: settles it while the version is
// there, so that the run can be resumed without it.
absl::Status KeepDimensionOfVersion(const std::string& checkpoint_root, v1::TrainingSpec& spec);

}  // namespace s2p

#endif  // S2P_TRAINER_IHDA_START_PLAN_H_

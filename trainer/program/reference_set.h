// The pairs that a new version must not be worse on.
#ifndef S2P_TRAINER_PROGRAM_REFERENCE_SET_H_
#define S2P_TRAINER_PROGRAM_REFERENCE_SET_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "s2p/v1/training.pb.h"
#include "trainer/data/data_set.h"
#include "trainer/evaluation/paired_comparison.h"

namespace s2p {

// The images to measure on: the split "test" where an identity has both a photo and a sketch in
// it, else all. FailedPrecondition if no identity has both.
absl::StatusOr<std::vector<DataSetImage>> ReferenceImages(const DataSet& reference);

// A value.
struct ReferenceVerdict {
  bool is_worse = false;
  // In words, with the numbers of both models.
  std::string text;
};

// Judges a candidate, `b` of each value, against the published `version`, `a`, as
// publish.reference_tolerance and publish.reference_confidence say: it is worse unless the metric
// has fallen by at most the tolerance on average, and in that share of the bootstrap resamplings.
// So a set too small to show that nothing was lost keeps the published version. Requires at least
// one value.
ReferenceVerdict JudgeOnReference(const std::vector<PairedValue>& values,
                                  const v1::TrainingSpec::PublishSpec& publish, int64_t version);

}  // namespace s2p

#endif  // S2P_TRAINER_PROGRAM_REFERENCE_SET_H_

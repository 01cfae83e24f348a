// Publishes a trained model if the spec wants it.
#ifndef S2P_TRAINER_PROGRAM_PUBLISHER_H_
#define S2P_TRAINER_PROGRAM_PUBLISHER_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "model/checkpoint_store.h"
#include "s2p/v1/training.pb.h"
#include "trainer/ihda/trained_model.h"

namespace s2p {

struct PublishOutcome {
  // 0: not published.
  int64_t version = 0;
  // In words, for people.
  std::string reason;
};

// As spec.publish says. IF_BETTER compares the metric, sketch to photo, on the validation
// identities of the spec's target data set with that of the newest published version, which is
// measured now, through its own preprocessing; the first version is always better. Both
// numbers go into the manifest's provenance.
// FailedPrecondition if there is nothing to compare on; else as CheckpointStore::Publish.
absl::StatusOr<PublishOutcome> PublishModel(const v1::TrainingSpec& resolved,
                                            const TrainedModel& model,
                                            const CheckpointStore& store);

}  // namespace s2p

#endif  // S2P_TRAINER_PROGRAM_PUBLISHER_H_

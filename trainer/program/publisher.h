// Publishes a trained model if the spec wants it.
#ifndef S2P_TRAINER_PROGRAM_PUBLISHER_H_
#define S2P_TRAINER_PROGRAM_PUBLISHER_H_

#include <cstdint>
#include <optional>
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
  // With the version that was published until then, if the two were compared.
  std::optional<v1::Comparison> comparison{};
};

// Folder inside a store's root with the models that IF_BETTER could not decide on: a
// CheckpointStore of its own, which the server does not look into.
inline constexpr char kUndecidedFolder[] = "undecided";
// It keeps the newest models, this many.
inline constexpr int64_t kKeptUndecided = 3;

// As spec.publish says. IF_BETTER measures the model and the newest version, each through its own
// preprocessing, on held-back identities of the spec's target that neither was trained on
// (trainer/program/unseen_images.h), and publishes if spec.publish.metric, sketch to photo, is
// better by min_improvement on average and in the share `confidence` of the bootstrap resamplings
// (trainer/evaluation/paired_comparison.h); equal is not better. The first version is always
// better. With spec.publish.reference_dataset it is measured on that, too, and is not published if
// it is worse there (trainer/program/reference_set.h). Where there is no such identity, nothing is
// published and the model is kept in kUndecidedFolder, unless the spec has min_queries; the reason
// says where, and how to publish it. The share of the identities that were held back, and the
// comparison, go into the manifest's provenance; the reason has the numbers of both comparisons,
// and says which choices of the run were made by the same identities, which favours it.
// FailedPrecondition if the device's memory does not suffice to measure; else as
// CheckpointStore::Read and Publish, DataSet::Open and EvaluateCheckpoint.
absl::StatusOr<PublishOutcome> PublishModel(const v1::TrainingSpec& resolved,
                                            const TrainedModel& model,
                                            const CheckpointStore& store);

}  // namespace s2p

#endif  // S2P_TRAINER_PROGRAM_PUBLISHER_H_

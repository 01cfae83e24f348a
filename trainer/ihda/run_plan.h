// A training run that can start.
#ifndef S2P_TRAINER_IHDA_RUN_PLAN_H_
#define S2P_TRAINER_IHDA_RUN_PLAN_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "s2p/v1/training.pb.h"
#include "trainer/data/data_set_digest.h"
#include "trainer/ihda/training_data.h"

namespace s2p {

// SHA-256, lower-case hex, of the files that a run reads apart from the lists; empty where there
// are none. A value.
struct RunContents {
  // Images of each data set (ImagesDigest).
  std::string source_images_sha256;
  std::string target_images_sha256;
  std::string initial_weights_sha256;
  // Weights of `initial_version`; empty also if the version cannot be read, which only a run that
  // begins needs.
  std::string initial_version_sha256{};
};

// The digest of a run: of its spec and lists (RunPlan::older_digest), and of what it reads. The
// spec has the number of `initial_version`; its weights are left out, since folders and states of
// older programs are found by this digest.
std::string RunDigest(const std::string& older_digest, const RunContents& contents);

// A run as its state knows it, or as it is planned. A value.
struct RunIdentity {
  // The digest of the spec and the lists; empty in a state of an older program.
  std::string older_digest;
  RunContents contents;
};

// Says what has changed since a run's state was written: "target images, the initial
// weights"; "the spec, the data or the initial weights" if the state does not say.
std::string WhatChanged(const RunIdentity& before, const RunIdentity& now);

struct RunPlan;

// Whether a state with this digest and identity is one of the run that is planned. The weights of
// `initial_version` count where both know them.
bool IsOfRun(const std::string& run_digest, const RunIdentity& run, const RunPlan& plan);

// A value.
struct RunPlan {
  // Resolved and valid, the length of the embedding settled (SettleDimension).
  v1::TrainingSpec spec;
  OpenDataSets data_sets;
  // SHA-256, lower-case hex, of what decides the weights: the spec without its name, paths and
  // publishing, the lists of the data sets and `contents`. Two runs with the same digest that begin
  // with the same bytes of `initial_version`, if with any, end with the same weights, so either may
  // resume the other's state.
  std::string digest;
  RunContents contents;
  // The digest without `contents`, as older programs computed it. Their states are resumed, as they
  // resumed them: they do not say what the images were.
  std::string older_digest;
  // Paths of the images that cannot be read now.
  std::vector<std::string> unreadable;

  RunIdentity identity() const { return {older_digest, contents}; }
};

// Checks the spec, reads the lists of its data sets and the bytes of its images, but decodes none.
// InvalidArgument naming every wrong field; Cancelled once `stop` is true; NotFound if there is no
// file of initial weights and `digests` does not know what it was: only a run that begins needs it.
// Else as OpenTrainingDataSets. `held_back` wins over the spec's. `digests` is borrowed, and may be
// null. `initial_version` is looked up in `checkpoint_root`.
absl::StatusOr<RunPlan> PlanRun(const v1::TrainingSpec& resolved,
                                const std::string& checkpoint_root,
                                const std::optional<HeldBack>& held_back = {},
                                const std::function<bool()>& stop = {},
                                DataSetDigestCache* digests = nullptr);

}  // namespace s2p

#endif  // S2P_TRAINER_IHDA_RUN_PLAN_H_

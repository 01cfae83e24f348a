#include "trainer/ihda/run_plan.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "model/checkpoint.h"
#include "model/checkpoint_store.h"
#include "model/sha256.h"
#include "model/weights/weight_files.h"
#include "trainer/data/data_set_digest.h"
#include "trainer/ihda/start_plan.h"
#include "trainer/spec/spec_errors.h"
#include "trainer/spec/spec_form.h"
#include "trainer/spec/training_spec.h"

namespace s2p {
namespace {

std::string OlderDigest(v1::TrainingSpec spec, const OpenDataSets& data_sets) {
  SetFold({data_sets.held_back.folds, data_sets.held_back.fold}, spec);
  spec.clear_name();
  spec.clear_publish();
  spec.clear_watch();
  spec.clear_workers();
  spec.clear_preset();
  spec.clear_source_dataset();
  spec.clear_target_dataset();
  spec.clear_pairs_dataset();
  spec.clear_watch_afresh();
  return Sha256(absl::StrCat(SpecDigest(spec),
                             data_sets.source ? data_sets.source->sha256() : "none",
                             data_sets.target.sha256()));
}

// A file that is gone has the digest that it had.
absl::StatusOr<std::string> DigestOfWeights(const std::string& path, DataSetDigestCache& digests) {
  return WeightsDigest(path, [&](const std::string& file) -> absl::StatusOr<std::string> {
    auto digest = digests.OfFile(file);
    const std::string remembered = digests.Remembered(file);
    if (absl::IsNotFound(digest.status()) && !remembered.empty()) return remembered;
    return digest;
  });
}

// The digest of the version's weights as its manifest has it, which is checked when they are read;
// empty if there is no such manifest.
std::string DigestOfVersion(const std::string& checkpoint_root, int64_t version) {
  const auto manifest = ReadManifest(CheckpointStore(checkpoint_root).DirectoryOf(version));
  if (!manifest.ok()) return "";
  for (const v1::CheckpointFile& file : manifest->files()) {
    if (file.name() == kWeightsFileName) return file.sha256();
  }
  return "";
}

// False if both know the version that the run begins with, and it is not the same.
bool MayBeginAlike(const RunContents& before, const RunContents& now) {
  return before.initial_version_sha256.empty() || now.initial_version_sha256.empty() ||
         before.initial_version_sha256 == now.initial_version_sha256;
}

// Reads what the plan's data sets and spec name.
absl::Status ReadContents(const std::function<bool()>& stop, const std::string& checkpoint_root,
                          DataSetDigestCache& digests, RunPlan& plan) {
  if (plan.spec.has_initial_version()) {
    plan.contents.initial_version_sha256 =
        DigestOfVersion(checkpoint_root, plan.spec.initial_version());
  }
  if (!plan.spec.initial_weights().empty()) {
    S2P_ASSIGN_OR_RETURN(plan.contents.initial_weights_sha256,
                         DigestOfWeights(plan.spec.initial_weights(), digests));
  }
  const auto digest_of = [&](const DataSet& data_set) {
    return ImagesDigest(data_set, /*threads=*/0, stop, &digests, &plan.unreadable);
  };
  if (plan.data_sets.source) {
    S2P_ASSIGN_OR_RETURN(plan.contents.source_images_sha256, digest_of(*plan.data_sets.source));
  }
  S2P_ASSIGN_OR_RETURN(plan.contents.target_images_sha256, digest_of(plan.data_sets.target));
  return absl::OkStatus();
}

}  // namespace

std::string RunDigest(const std::string& older_digest, const RunContents& contents) {
  return Sha256(absl::StrCat(older_digest, " ", contents.initial_weights_sha256, " ",
                             contents.source_images_sha256, " ", contents.target_images_sha256));
}

std::string WhatChanged(const RunIdentity& before, const RunIdentity& now) {
  if (before.older_digest.empty()) return "the spec, the data or the initial weights";
  std::vector<std::string> changed;
  if (before.older_digest != now.older_digest) changed.push_back("the spec or a list of images");
  const RunContents& was = before.contents;
  const RunContents& is = now.contents;
  if (was.source_images_sha256 != is.source_images_sha256) changed.push_back("source images");
  if (was.target_images_sha256 != is.target_images_sha256) changed.push_back("target images");
  if (was.initial_weights_sha256 != is.initial_weights_sha256) {
    changed.push_back("the initial weights");
  }
  if (!MayBeginAlike(was, is)) changed.push_back("the weights of initial_version");
  return absl::StrJoin(changed, ", ");
}

bool IsOfRun(const std::string& run_digest, const RunIdentity& run, const RunPlan& plan) {
  return (run_digest == plan.digest || run_digest == plan.older_digest) &&
         MayBeginAlike(run.contents, plan.contents);
}

absl::StatusOr<RunPlan> PlanRun(const v1::TrainingSpec& resolved,
                                const std::string& checkpoint_root,
                                const std::optional<HeldBack>& held_back,
                                const std::function<bool()>& stop, DataSetDigestCache* digests) {
  S2P_RETURN_IF_ERROR(ValidateSpec(resolved));
  S2P_ASSIGN_OR_RETURN(auto data_sets, OpenTrainingDataSets(resolved));
  if (held_back) data_sets.held_back = *held_back;
  v1::TrainingSpec spec = resolved;
  S2P_RETURN_IF_ERROR(SettleDimension(data_sets, checkpoint_root, spec));
  std::string older_digest = OlderDigest(spec, data_sets);
  RunPlan plan{std::move(spec), std::move(data_sets), "", {}, std::move(older_digest), {}};
  DataSetDigestCache own;
  S2P_RETURN_IF_ERROR(
      ReadContents(stop, checkpoint_root, digests == nullptr ? own : *digests, plan));
  plan.digest = RunDigest(plan.older_digest, plan.contents);
  return plan;
}

}  // namespace s2p

#include "trainer/ihda/run_plan.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "model/sha256.h"
#include "model/weights/weight_files.h"
#include "trainer/data/data_set_digest.h"
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

// Reads what the plan's data sets and spec name.
absl::Status ReadContents(const std::function<bool()>& stop, DataSetDigestCache& digests,
                          RunPlan& plan) {
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
  return absl::StrJoin(changed, ", ");
}

absl::StatusOr<RunPlan> PlanRun(const v1::TrainingSpec& resolved,
                                const std::optional<HeldBack>& held_back,
                                const std::function<bool()>& stop, DataSetDigestCache* digests) {
  S2P_RETURN_IF_ERROR(ValidateSpec(resolved));
  S2P_ASSIGN_OR_RETURN(auto data_sets, OpenTrainingDataSets(resolved));
  if (held_back) data_sets.held_back = *held_back;
  std::string older_digest = OlderDigest(resolved, data_sets);
  RunPlan plan{resolved, std::move(data_sets), "", {}, std::move(older_digest), {}};
  DataSetDigestCache own;
  S2P_RETURN_IF_ERROR(ReadContents(stop, digests == nullptr ? own : *digests, plan));
  plan.digest = RunDigest(plan.older_digest, plan.contents);
  return plan;
}

}  // namespace s2p

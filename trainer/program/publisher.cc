#include "trainer/program/publisher.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "trainer/data/data_set.h"
#include "trainer/data/joined_pairs.h"
#include "trainer/evaluation/checkpoint_evaluation.h"
#include "trainer/evaluation/evaluator.h"
#include "trainer/evaluation/paired_comparison.h"
#include "trainer/ihda/device_memory.h"
#include "trainer/ihda/training_data.h"
#include "trainer/program/reference_set.h"
#include "trainer/program/shell_word.h"
#include "trainer/program/unseen_images.h"

namespace s2p {
namespace {

using PublishSpec = v1::TrainingSpec::PublishSpec;

absl::StatusOr<std::vector<QueryResult>> Measure(const Checkpoint& checkpoint,
                                                 const DataSet& target,
                                                 const std::vector<DataSetImage>& images,
                                                 const v1::TrainingSpec& resolved) {
  const auto result = EvaluateCheckpoint(checkpoint, target, images, kSketchToPhoto,
                                         {resolved.device(), 0, resolved.max_unreadable()});
  if (result.ok()) return QueriesOf(*result);
  return WithoutDeviceMemory(result.status(),
                             "the published version has no room next to the trained one: use "
                             "publish.policy ALWAYS or another device");
}

bool IsBetter(const PairedDifference& difference, double confidence, const PublishSpec& publish) {
  return difference.difference > 0 && difference.difference >= publish.min_improvement() &&
         confidence >= publish.confidence();
}

// "mAP 0.6123 against 0.5800 of version 1 on 31 queries, better in 97.2 % of the resamplings".
std::string Numbers(const v1::Comparison& comparison, const PairedDifference& difference,
                    const PublishSpec& publish) {
  std::string text =
      absl::StrFormat("%s %.4f against %.4f of version %d on %d queries, better ",
                      comparison.metric(), comparison.candidate(), comparison.published(),
                      comparison.published_version(), difference.values);
  if (publish.min_improvement() > 0) {
    absl::StrAppendFormat(&text, "by %g ", publish.min_improvement());
  }
  absl::StrAppendFormat(&text, "in %.1f %% of the resamplings (publish.confidence asks for %g %%)",
                        100 * comparison.confidence(), 100 * publish.confidence());
  return text;
}

// The choices of a run that were made by what it is compared on, as the end of a reason.
std::string FavourOf(const v1::TrainingSpec& resolved) {
  std::string favour;
  if (resolved.validation().keep_best()) {
    favour = "; the epoch was chosen by the held-back sketches, which favours the new model";
  }
  if (resolved.pseudo().choose_human_share()) {
    absl::StrAppend(&favour, "; the share of people's sketches may have been chosen by the ",
                    "held-back ones, which favours the new model a little");
  }
  return favour;
}

// One model that may be published.
class Candidate {
 public:
  // All are borrowed.
  Candidate(const v1::TrainingSpec& resolved, const TrainedModel& model,
            const CheckpointStore& store)
      : resolved_(resolved), weights_(model.weights), store_(store), manifest_(model.manifest) {
    manifest_.mutable_provenance()->set_validation_fraction(
        UnseenFraction(resolved, model.has_seen_pairs, store));
  }

  absl::StatusOr<PublishOutcome> Publish(const std::string& why) const {
    S2P_ASSIGN_OR_RETURN(const auto version, store_.Publish(manifest_, weights_));
    return PublishOutcome{version, absl::StrCat("published as version ", version, why)};
  }

  absl::StatusOr<PublishOutcome> PublishIfBetter() {
    const auto newest = store_.NewestVersion();
    if (absl::IsNotFound(newest.status())) return Publish(": the first one");
    if (!newest.ok()) return newest.status();
    S2P_ASSIGN_OR_RETURN(const auto published, store_.Read(*newest));
    S2P_ASSIGN_OR_RETURN(const auto target,
                         OpenWithPairs(resolved_.target_dataset(), resolved_.pairs_dataset(),
                                       ImageFiles::kMayBeMissing));
    const UnseenImages unseen =
        UnseenByBoth(resolved_, manifest_, published.manifest, target, store_);
    if (unseen.images.empty()) {
      return unseen.may_come ? WithoutQueries(unseen.note) : KeepUndecided(unseen.note);
    }
    const auto images = WithGallery(resolved_, target, unseen.images);
    const auto before = Measure(published, target, images, resolved_);
    if (absl::IsFailedPrecondition(before.status())) {
      return KeepUndecided(absl::StrCat(
          "version ", *newest, " cannot be measured on the target: ", before.status().message()));
    }
    if (!before.ok()) return before.status();
    S2P_ASSIGN_OR_RETURN(const auto now, MeasureThis(target, images));
    const PublishSpec& publish = resolved_.publish();
    S2P_ASSIGN_OR_RETURN(const auto pairs, PairQueries(*before, now, publish.metric()));
    if (pairs.empty()) return WithoutQueries("no held-back sketch has a photo that can be read");
    if (pairs.size() < publish.min_queries()) {
      return WithoutQueries(absl::StrCat(pairs.size(), " held-back sketches are too few"));
    }
    return Decide(pairs, published, unseen.note.empty() ? "" : absl::StrCat("; ", unseen.note));
  }

 private:
  absl::StatusOr<std::vector<QueryResult>> MeasureThis(
      const DataSet& data_set, const std::vector<DataSetImage>& images) const {
    return Measure({"the new model", manifest_, weights_}, data_set, images, resolved_);
  }

  absl::StatusOr<PublishOutcome> Decide(const std::vector<PairedValue>& pairs,
                                        const Checkpoint& published, const std::string& note) {
    const PublishSpec& publish = resolved_.publish();
    const PairedDifference difference = DifferenceOf(pairs);
    v1::Comparison comparison;
    comparison.set_metric(publish.metric());
    comparison.set_candidate(difference.b);
    comparison.set_published_version(published.manifest.version());
    comparison.set_published(difference.a);
    comparison.set_confidence(BootstrapConfidence(pairs, publish.min_improvement()));
    std::string why =
        absl::StrCat(": ", Numbers(comparison, difference, publish), note, FavourOf(resolved_));
    if (!IsBetter(difference, comparison.confidence(), publish)) {
      return PublishOutcome{0, absl::StrCat("not published", why), comparison};
    }
    if (!publish.reference_dataset().empty()) {
      S2P_ASSIGN_OR_RETURN(const auto verdict, AgainstReference(published));
      absl::StrAppend(&why, "; ", verdict.is_worse ? "but " : "", verdict.text);
      if (verdict.is_worse) {
        return PublishOutcome{0, absl::StrCat("not published", why), comparison};
      }
    }
    *manifest_.mutable_provenance()->mutable_comparison() = comparison;
    S2P_ASSIGN_OR_RETURN(auto outcome, Publish(why));
    outcome.comparison = std::move(comparison);
    return outcome;
  }

  absl::StatusOr<ReferenceVerdict> AgainstReference(const Checkpoint& published) const {
    const PublishSpec& publish = resolved_.publish();
    S2P_ASSIGN_OR_RETURN(const auto reference,
                         DataSet::Open(publish.reference_dataset(), ImageFiles::kMayBeMissing));
    S2P_ASSIGN_OR_RETURN(const auto images, ReferenceImages(reference));
    const auto before = Measure(published, reference, images, resolved_);
    if (absl::IsFailedPrecondition(before.status())) {
      return ReferenceVerdict{true, absl::StrCat("version ", published.manifest.version(),
                                                 " cannot be measured on the reference set: ",
                                                 before.status().message())};
    }
    if (!before.ok()) return before.status();
    S2P_ASSIGN_OR_RETURN(const auto now, MeasureThis(reference, images));
    S2P_ASSIGN_OR_RETURN(const auto pairs, PairQueries(*before, now, publish.metric()));
    if (pairs.empty()) {
      return ReferenceVerdict{true, "no sketch of the reference set has a photo that can be read"};
    }
    return JudgeOnReference(pairs, publish, published.manifest.version());
  }

  // A spec that waits for a number of queries waits for more data, which will come: the model is
  // not worth keeping.
  absl::StatusOr<PublishOutcome> WithoutQueries(const std::string& why) const {
    const uint32_t least = resolved_.publish().min_queries();
    if (least == 0) return KeepUndecided(why);
    return PublishOutcome{
        0, absl::StrCat("not published: ", why, "; publish.min_queries needs ", least)};
  }

  absl::StatusOr<PublishOutcome> KeepUndecided(const std::string& why) const {
    const CheckpointStore undecided(absl::StrCat(store_.root(), "/", kUndecidedFolder));
    S2P_ASSIGN_OR_RETURN(const auto number, undecided.Publish(manifest_, weights_));
    // A job that watches its data would otherwise fill the disk, a model each time they change.
    S2P_RETURN_IF_ERROR(undecided.Prune(kKeptUndecided, {}));
    return PublishOutcome{
        0,
        absl::StrCat("not published: publish.policy IF_BETTER has nothing to compare on, because ",
                     why, ". The model is kept: publish it with s2p-trainer publish --checkpoint ",
                     ShellWord(undecided.DirectoryOf(number)), " --checkpoint-root ",
                     ShellWord(store_.root()),
                     ", and hold identities back (validation.fraction) in later jobs")};
  }

  const v1::TrainingSpec& resolved_;
  const TensorMap& weights_;
  const CheckpointStore& store_;
  v1::CheckpointManifest manifest_;
};

}  // namespace

absl::StatusOr<PublishOutcome> PublishModel(const v1::TrainingSpec& resolved,
                                            const TrainedModel& model,
                                            const CheckpointStore& store) {
  const PublishSpec& publish = resolved.publish();
  if (publish.policy() == PublishSpec::POLICY_NEVER) {
    return PublishOutcome{0, "not published: publish.policy is NEVER"};
  }
  Candidate candidate(resolved, model, store);
  if (publish.policy() == PublishSpec::POLICY_IF_BETTER) return candidate.PublishIfBetter();
  return candidate.Publish("");
}

}  // namespace s2p

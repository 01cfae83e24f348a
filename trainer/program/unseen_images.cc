#include "trainer/program/unseen_images.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "trainer/ihda/training_data.h"

namespace s2p {
namespace {

bool WasMeasuredOnHeldBack(const v1::CheckpointManifest& manifest) {
  return std::any_of(manifest.evaluations().begin(), manifest.evaluations().end(),
                     [](const v1::Evaluation& e) { return e.split() == kHeldBackSplit; });
}

// Says what is known of the split "val" that a model, and those that it starts from, trained with.
enum class ValSplit {
  // That of today: the lists of the data sets are the same.
  kSame,
  // They held one back, of a list that was another one; or one of them is not there any more.
  kAnother,
  // They may have had none.
  kUnknown
};

ValSplit ValSplitOf(v1::CheckpointManifest manifest, const DataSet& target,
                    const CheckpointStore& store) {
  ValSplit split = ValSplit::kSame;
  int64_t child = std::numeric_limits<int64_t>::max();
  for (;;) {
    const v1::Provenance& provenance = manifest.provenance();
    if (provenance.target_dataset_sha256() != target.sha256()) {
      // Without a fraction, what it was measured on was a split of its own.
      const bool had_one = provenance.validation_fraction() == 0 && WasMeasuredOnHeldBack(manifest);
      if (!had_one) return ValSplit::kUnknown;
      split = ValSplit::kAnother;
    }
    const int64_t version = provenance.parent_version();
    if (version == 0) return split;
    auto parent = ReadManifest(store.DirectoryOf(version));
    // It was pruned, or is a version of another store.
    if (!parent.ok() || version >= child) return ValSplit::kAnother;
    child = version;
    manifest = *std::move(parent);
  }
}

// Says what one model has not been trained on.
struct Unseen {
  // The share of the identities, by their hash, whatever their split was.
  double fraction = 0;
  ValSplit val = ValSplit::kUnknown;
};

// `sure`: only a split "val" that is the same counts, else also one that was another.
bool IsUnseen(const DataSetImage& image, const Unseen& by, bool sure) {
  if (image.split == "test") return false;
  if (IsValidationIdentity(image.identity, by.fraction)) return true;
  if (image.split != "val") return false;
  return by.val == ValSplit::kSame || (!sure && by.val == ValSplit::kAnother);
}

// The images that `takes` takes; none if no identity has both a sketch and a photo among them.
template <typename Takes>
std::vector<DataSetImage> PairsOf(const DataSet& target, Takes takes) {
  std::vector<DataSetImage> images;
  std::copy_if(target.images().begin(), target.images().end(), std::back_inserter(images), takes);
  return HasPair(images) ? images : std::vector<DataSetImage>();
}

std::vector<DataSetImage> UnseenPairs(const DataSet& target, const Unseen& one, const Unseen& other,
                                      bool sure) {
  return PairsOf(target, [&](const DataSetImage& image) {
    return IsUnseen(image, one, sure) && IsUnseen(image, other, sure);
  });
}

bool HasSplitVal(const std::vector<DataSetImage>& images) {
  return std::any_of(images.begin(), images.end(), [](const DataSetImage& image) {
    return image.split == "val" && image.modality == v1::MODALITY_SKETCH;
  });
}

}  // namespace

bool IsUnknown(const v1::CheckpointManifest& manifest) {
  // Programs that write the images' digest write the share, too: 0 is then what they held back, and
  // the measured sketches were those of a split "val".
  return manifest.provenance().target_images_sha256().empty() &&
         manifest.provenance().validation_fraction() == 0 && WasMeasuredOnHeldBack(manifest);
}

double UnseenFraction(const v1::TrainingSpec& resolved, bool has_seen_pairs,
                      const CheckpointStore& store) {
  // A fold is no fraction; only jobs that an older program queued have one.
  const HeldBack held_back = HeldBackOf(resolved);
  const double of_spec = held_back.folds > 0 ? 0 : held_back.fraction;
  const double own = has_seen_pairs ? of_spec : 1;
  if (!resolved.has_initial_version()) return own;
  const auto parent = ReadManifest(store.DirectoryOf(resolved.initial_version()));
  if (!parent.ok() || IsUnknown(*parent)) return std::min(own, of_spec);
  return std::min(own, parent->provenance().validation_fraction());
}

UnseenImages UnseenByBoth(const v1::TrainingSpec& resolved, const v1::CheckpointManifest& candidate,
                          const v1::CheckpointManifest& published, const DataSet& target,
                          const CheckpointStore& store) {
  const std::string version = absl::StrCat("version ", published.version());
  const Unseen own = {candidate.provenance().validation_fraction(),
                      ValSplitOf(candidate, target, store)};
  const Unseen its = {published.provenance().validation_fraction(),
                      ValSplitOf(published, target, store)};
  const bool has_val = HasSplitVal(target.images());
  UnseenImages result;
  result.images = UnseenPairs(target, own, its, /*sure=*/true);
  if (!result.images.empty()) {
    if (has_val && !HasSplitVal(result.images)) {
      result.note = absl::StrCat(
          "the split \"val\" is left out, because the data set has changed, or a version that it "
          "starts from is gone, and this model or ",
          version, " may have been trained on it");
    }
    return result;
  }
  if (IsUnknown(published)) {
    const HeldBack held_back = HeldBackOf(resolved);
    result.images =
        held_back.folds > 0
            ? PairsOf(target,
                      [&](const DataSetImage& image) { return IsHeldBack(image, held_back); })
            : UnseenPairs(target, own, own, /*sure=*/false);
    if (!result.images.empty()) {
      result.note = absl::StrCat(version,
                                 " does not say which identities its training held back; it is "
                                 "taken to be those of this job");
      return result;
    }
  }
  result.images = UnseenPairs(target, own, its, /*sure=*/false);
  if (!result.images.empty()) {
    result.note = absl::StrCat(
        "the data set has changed, or a version that was trained on is gone, so it is not certain "
        "that the split "
        "\"val\" is new to both this model and ",
        version, " (a validation.fraction stays the same)");
    return result;
  }
  const auto held_nothing_back = [&](const Unseen& by) {
    return by.fraction == 0 && (!has_val || by.val == ValSplit::kUnknown);
  };
  const char* nothing =
      has_val ? " is not known to have held the split \"val\" back" : " held no identity back";
  if (held_nothing_back(own)) {
    result.note = absl::StrCat("this model, or a version that it starts from,", nothing);
  } else if (held_nothing_back(its)) {
    result.note = absl::StrCat(version, nothing);
  } else {
    result.may_come = true;
    result.note = absl::StrCat(
        "no identity with a photo and a sketch is new to both this model and ", version);
  }
  return result;
}

}  // namespace s2p

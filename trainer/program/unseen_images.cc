#include "trainer/program/unseen_images.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "trainer/ihda/training_data.h"

namespace s2p {
namespace {

bool WasMeasuredOnHeldBack(const v1::CheckpointManifest& manifest) {
  return std::any_of(manifest.evaluations().begin(), manifest.evaluations().end(),
                     [](const v1::Evaluation& e) { return e.split() == kHeldBackSplit; });
}

// The images that are held back; none if no identity has both a sketch and a photo among them.
std::vector<DataSetImage> HeldBackPairs(const DataSet& target, const HeldBack& held_back) {
  std::vector<DataSetImage> images;
  std::copy_if(target.images().begin(), target.images().end(), std::back_inserter(images),
               [&](const DataSetImage& image) { return IsHeldBack(image, held_back); });
  return HasPair(images) ? images : std::vector<DataSetImage>();
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

UnseenImages UnseenByBoth(const v1::TrainingSpec& resolved, double unseen,
                          const v1::CheckpointManifest& published, const DataSet& target) {
  UnseenImages result;
  const double fraction = published.provenance().validation_fraction();
  result.images = HeldBackPairs(target, {std::min(unseen, fraction)});
  if (!result.images.empty()) return result;
  const std::string version = absl::StrCat("version ", published.version());
  if (IsUnknown(published)) {
    HeldBack held_back = HeldBackOf(resolved);
    if (held_back.folds == 0) held_back.fraction = unseen;
    result.images = HeldBackPairs(target, held_back);
    if (!result.images.empty()) {
      result.note = absl::StrCat(version,
                                 " does not say which identities its training held back; it is "
                                 "taken to be those of this job");
      return result;
    }
  }
  if (unseen == 0) {
    result.note = "this model, or a version that it starts from, held no identity back";
  } else if (fraction == 0) {
    result.note = absl::StrCat(version, " held no identity back");
  } else {
    result.may_come = true;
    result.note = absl::StrCat(
        "no identity with a photo and a sketch is new to both this model and ", version);
  }
  return result;
}

}  // namespace s2p

#include "trainer/program/reference_set.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace s2p {
namespace {

using PublishSpec = v1::TrainingSpec::PublishSpec;

constexpr double kTolerance = 0.02;
constexpr double kConfidence = 0.8;

double ToleranceOf(const PublishSpec& publish) {
  return publish.has_reference_tolerance() ? publish.reference_tolerance() : kTolerance;
}

double ConfidenceOf(const PublishSpec& publish) {
  return publish.has_reference_confidence() ? publish.reference_confidence() : kConfidence;
}

}  // namespace

absl::StatusOr<std::vector<DataSetImage>> ReferenceImages(const DataSet& reference) {
  std::vector<DataSetImage> test;
  std::copy_if(reference.images().begin(), reference.images().end(), std::back_inserter(test),
               [](const DataSetImage& image) { return image.split == "test"; });
  if (HasPair(test)) return test;
  if (HasPair(reference.images())) return reference.images();
  return absl::FailedPreconditionError(
      absl::StrCat(reference.folder(), ": no sketch has a photo to be found by it"));
}

ReferenceVerdict JudgeOnReference(const std::vector<PairedValue>& values,
                                  const PublishSpec& publish, int64_t version) {
  const PairedDifference difference = DifferenceOf(values);
  const double tolerance = ToleranceOf(publish);
  const double share = BootstrapNotWorse(values, tolerance);
  ReferenceVerdict verdict;
  verdict.is_worse = !(difference.difference >= -tolerance && share >= ConfidenceOf(publish));
  verdict.text = absl::StrFormat(
      "on the reference set %s %.4f against %.4f of version %d on %d queries, at most %g lower in "
      "%.1f %% of the resamplings (publish.reference_confidence asks for %g %%)",
      publish.metric(), difference.b, difference.a, version, difference.values, tolerance,
      100 * share, 100 * ConfidenceOf(publish));
  return verdict;
}

}  // namespace s2p

#include "trainer/import/identity_remarks.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/utf8.h"
#include "trainer/import/canonical_name.h"
#include "trainer/import/folder_names.h"

namespace s2p {
namespace {

constexpr size_t kNamed = 3;
constexpr int64_t kManyPhotos = 10;
constexpr int64_t kTimesTheMedian = 10;

}  // namespace

void RemarkTwins(Plan& plan) {
  std::map<std::string, std::set<std::string>> of_look;
  for (const PlannedImage& image : plan.images) {
    of_look[LookOf(image.line.identity)].insert(image.line.identity);
  }
  size_t twins = 0;
  for (const auto& [look, identities] : of_look) {
    if (identities.size() < 2 || ++twins > kNamed) continue;
    plan.remarks.push_back(absl::StrCat("identities ", Printable(*identities.begin()), " and ",
                                        Printable(*identities.rbegin()),
                                        " look the same but are spelt with other characters: they "
                                        "are kept apart"));
  }
  if (twins > kNamed) {
    plan.remarks.push_back(
        absl::StrCat(twins - kNamed, " more groups of identities look the same"));
  }
}

void WarnOfCrowds(Plan& plan) {
  std::map<std::string, int64_t> photos_of;
  int64_t all = 0;
  for (const PlannedImage& image : plan.images) {
    if (image.line.modality != v1::MODALITY_PHOTO) continue;
    ++photos_of[image.line.identity];
    ++all;
  }
  std::vector<int64_t> counts;
  for (const auto& [identity, photos] : photos_of) counts.push_back(photos);
  std::sort(counts.begin(), counts.end());
  std::vector<std::string> crowds;
  for (const auto& [identity, photos] : photos_of) {
    const bool is_much = 4 * photos >= all || photos >= kTimesTheMedian * counts[counts.size() / 2];
    const bool is_crowd = photos >= kManyPhotos && is_much;
    if (!is_crowd && (photos < 2 || !IsCameraPrefix(identity))) continue;
    crowds.push_back(absl::StrCat(Printable(identity), " (", photos, " photos)"));
  }
  if (crowds.empty()) return;
  const auto named = static_cast<int64_t>(std::min(crowds.size(), kNamed));
  plan.warnings.push_back(absl::StrCat(
      "do all photos of one identity show the same thing? Check ",
      absl::StrJoin(crowds.begin(), crowds.begin() + named, ", "),
      crowds.size() > kNamed ? absl::StrCat(" and ", crowds.size() - kNamed, " more") : "",
      "; docs/datasets.md says how --identity-from and folders decide it"));
}

}  // namespace s2p

// A data set in our own format: for a copy with another split, and to add one set to another.
#include <string>
#include <utility>

#include "base/status_macros.h"
#include "trainer/data/data_set.h"
#include "trainer/import/import_formats.h"

namespace s2p {

absl::StatusOr<Plan> PlanDataSet(const std::filesystem::path& root, const SplitOptions& split) {
  S2P_ASSIGN_OR_RETURN(const auto set, DataSet::Open(root.string()));
  if (set.packed() != nullptr) {
    return Offending(root, "is a packed data set, which has no originals; name its folder");
  }
  Plan plan;
  plan.description.name = set.name();
  plan.description.source = "imported from a data set";
  plan.description.attributes = set.attributes();
  Problems problems;
  for (const DataSetImage& image : set.images()) {
    const std::filesystem::path file = root / image.path;
    problems.Add(CheckImage(file, ImageEndings()));
    plan.images.push_back({file, image});
  }
  S2P_RETURN_IF_ERROR(problems.status());
  plan.split_reason = "as in the data set";
  if (split.test_fraction) SplitByIdentity(split, plan);
  return plan;
}

}  // namespace s2p

#include "trainer/import/import_dataset.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "trainer/import/import_formats.h"
#include "trainer/import/import_plan.h"

namespace s2p {
namespace {

using Planner = absl::StatusOr<Plan> (*)(const ImportOptions&);

const std::map<std::string, Planner>& Planners() {
  static const auto* const planners = new std::map<std::string, Planner>{
      {"celeba", [](const ImportOptions& options) { return PlanCelebA(options.root); }},
      {"folder",
       [](const ImportOptions& options) {
         return PlanFolder(options.root, options.split_seed, options.identity_from);
       }},
      {"iiitd",
       [](const ImportOptions& options) { return PlanIiitd(options.root, options.split_file); }},
      {"market-1501", [](const ImportOptions& options) { return PlanMarket1501(options.root); }},
      {"pku-sketch",
       [](const ImportOptions& options) {
         return PlanPkuSketch(options.root, options.split_seed);
       }},
      {"qmul-shoes",
       [](const ImportOptions& options) {
         return PlanQmulShoes(options.root, options.further_sketches);
       }},
      {"ut-zap50k", [](const ImportOptions& options) { return PlanUtZap50k(options.root); }},
  };
  return *planners;
}

absl::StatusOr<Plan> MakePlan(const ImportOptions& options) {
  const auto planner = Planners().find(options.format);
  if (planner == Planners().end()) {
    return absl::InvalidArgumentError(absl::StrCat("format \"", options.format,
                                                   "\" is unknown; known are ",
                                                   absl::StrJoin(ImportFormats(), ", ")));
  }
  if (options.format == "iiitd" && options.split_file.empty()) {
    return absl::InvalidArgumentError(
        "format iiitd needs a split file, because no split is published: CSV with one line "
        "IDENTITY,train or IDENTITY,val or IDENTITY,test for each identity");
  }
  if (options.format != "iiitd" && !options.split_file.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("format ", options.format, " takes no split file"));
  }
  if (options.format != "qmul-shoes" && !options.further_sketches.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("format ", options.format, " takes no further sketches"));
  }
  const std::vector<std::string>& rules = IdentityRules();
  if (std::find(rules.begin(), rules.end(), options.identity_from) == rules.end()) {
    return absl::InvalidArgumentError(absl::StrCat("identities come from ",
                                                   absl::StrJoin(rules, ", "), ", not from \"",
                                                   options.identity_from, "\""));
  }
  if (options.format != "folder" && options.identity_from != "auto") {
    return absl::InvalidArgumentError(
        absl::StrCat("format ", options.format, " says itself what identities come from"));
  }
  return planner->second(options);
}

ImportSummary Summarise(const Plan& plan) {
  ImportSummary summary;
  summary.name = plan.description.name;
  summary.attributes = static_cast<int64_t>(plan.description.attributes.size());
  summary.left_out = plan.left_out;
  summary.passed_over = plan.passed_over;
  summary.remarks = plan.remarks;
  std::map<std::string, std::set<std::string>> identities;
  std::set<std::string> photographed, sketched;
  for (const PlannedImage& image : plan.images) {
    const bool is_photo = image.line.modality == v1::MODALITY_PHOTO;
    ++(is_photo ? summary.photos : summary.sketches);
    (is_photo ? photographed : sketched).insert(image.line.identity);
    identities[image.line.split].insert(image.line.identity);
  }
  summary.photo_identities = static_cast<int64_t>(photographed.size());
  summary.sketch_identities = static_cast<int64_t>(sketched.size());
  summary.train_identities = static_cast<int64_t>(identities["train"].size());
  summary.val_identities = static_cast<int64_t>(identities["val"].size());
  summary.test_identities = static_cast<int64_t>(identities["test"].size());
  return summary;
}

}  // namespace

const std::vector<std::string>& ImportFormats() {
  static const auto* const formats = [] {
    auto* names = new std::vector<std::string>;
    for (const auto& [name, planner] : Planners()) names->push_back(name);
    return names;
  }();
  return *formats;
}

const std::vector<std::string>& IdentityRules() {
  static const auto* const rules = new std::vector<std::string>{"auto", "stem", "prefix", "folder"};
  return *rules;
}

absl::StatusOr<ImportSummary> ImportDataset(const ImportOptions& options,
                                            const std::function<void(int64_t, int64_t)>& progress) {
  // The layout first, so that a wrong root leaves no folder behind.
  S2P_ASSIGN_OR_RETURN(const auto plan, MakePlan(options));
  S2P_RETURN_IF_ERROR(CheckNames(plan));
  S2P_RETURN_IF_ERROR(CarryOut(plan, options.out, progress));
  return Summarise(plan);
}

}  // namespace s2p

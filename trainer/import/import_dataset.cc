#include "trainer/import/import_dataset.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "daemon/folder_lock.h"
#include "trainer/data/data_set.h"
#include "trainer/import/import_addition.h"
#include "trainer/import/import_formats.h"
#include "trainer/import/import_plan.h"

namespace s2p {
namespace {

// Input of the planners besides the options.
struct Given {
  SplitOptions split;
  // The set that is added to; null if there is none.
  const DataSet* set = nullptr;
  const std::function<bool()>& stop;
};
using Planner = absl::StatusOr<Plan> (*)(const ImportOptions&, const Given&);

const std::map<std::string, Planner>& Planners() {
  static const auto* const planners = new std::map<std::string, Planner>{
      {"celeba",
       [](const ImportOptions& options, const Given&) { return PlanCelebA(options.root); }},
      {"data-set", [](const ImportOptions& options,
                      const Given& given) { return PlanDataSet(options.root, given.split); }},
      {"folder",
       [](const ImportOptions& options, const Given& given) {
         return PlanFolder(options.root, {given.split, options.identity_from, given.set});
       }},
      {"iiitd", [](const ImportOptions& options,
                   const Given&) { return PlanIiitd(options.root, options.split_file); }},
      {"market-1501",
       [](const ImportOptions& options, const Given&) {
         return PlanMarket1501(options.root, MarketAttributeSet::kRelease);
       }},
      {"market-1501-paper",
       [](const ImportOptions& options, const Given&) {
         return PlanMarket1501(options.root, MarketAttributeSet::kPaper);
       }},
      {"photos",
       [](const ImportOptions& options, const Given& given) {
         return PlanPhotos(options.root, {options.unpaired_sketches, given.stop});
       }},
      {"pku-sketch", [](const ImportOptions& options,
                        const Given&) { return PlanPkuSketch(options.root, options.split_seed); }},
      {"qmul-shoes",
       [](const ImportOptions& options, const Given&) {
         return PlanQmulShoes(options.root, options.further_sketches);
       }},
      {"ut-zap50k",
       [](const ImportOptions& options, const Given&) { return PlanUtZap50k(options.root); }},
  };
  return *planners;
}

absl::Status CheckOptions(const ImportOptions& options) {
  if (Planners().count(options.format) == 0) {
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
  if (options.format != "photos" && !options.unpaired_sketches.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("format ", options.format, " takes no unpaired sketches"));
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
  if (!options.test_fraction.empty() && options.format != "folder" &&
      options.format != "data-set") {
    return absl::InvalidArgumentError(
        absl::StrCat("format ", options.format, " takes no test fraction: it has a split"));
  }
  return absl::OkStatus();
}

absl::StatusOr<SplitOptions> SplitOf(const ImportOptions& options) {
  SplitOptions split;
  split.seed = options.split_seed;
  if (options.test_fraction.empty()) return split;
  double fraction = 0;
  if (!absl::SimpleAtod(options.test_fraction, &fraction) || !(fraction >= 0 && fraction < 1)) {
    return absl::InvalidArgumentError(absl::StrCat("test fraction \"", options.test_fraction,
                                                   "\" is not a number from 0 to below 1"));
  }
  split.test_fraction = fraction;
  return split;
}

ImportSummary Summarise(const Plan& plan, const std::vector<DataSetImage>& images) {
  ImportSummary summary;
  summary.name = plan.description.name;
  summary.attributes = static_cast<int64_t>(plan.description.attributes.size());
  summary.left_out = plan.left_out;
  summary.passed_over = plan.passed_over;
  summary.remarks = plan.remarks;
  summary.warnings = plan.warnings;
  summary.identities_from = plan.identities_from;
  summary.split_reason = plan.split_reason;
  std::map<std::string, std::set<std::string>> identities;
  std::set<std::string> photographed, sketched;
  for (const DataSetImage& image : images) {
    const bool is_photo = image.modality == v1::MODALITY_PHOTO;
    ++(is_photo ? summary.photos : summary.sketches);
    (is_photo ? photographed : sketched).insert(image.identity);
    identities[image.split].insert(image.identity);
  }
  summary.photo_identities = static_cast<int64_t>(photographed.size());
  summary.sketch_identities = static_cast<int64_t>(sketched.size());
  summary.train_identities = static_cast<int64_t>(identities["train"].size());
  summary.val_identities = static_cast<int64_t>(identities["val"].size());
  summary.test_identities = static_cast<int64_t>(identities["test"].size());
  return summary;
}

// The whole layout is checked before anything is written.
absl::StatusOr<Plan> MakePlan(const ImportOptions& options, const DataSet* set,
                              const std::function<bool()>& stop) {
  S2P_ASSIGN_OR_RETURN(const auto split, SplitOf(options));
  S2P_ASSIGN_OR_RETURN(auto plan, Planners().at(options.format)(options, {split, set, stop}));
  S2P_RETURN_IF_ERROR(CheckNames(plan));
  return plan;
}

absl::StatusOr<ImportSummary> AddToExisting(const ImportOptions& options,
                                            const std::function<void(int64_t, int64_t)>& progress,
                                            const std::function<bool()>& stop) {
  S2P_ASSIGN_OR_RETURN(const auto set, DataSet::Open(options.out, ImageFiles::kMayBeMissing));
  if (set.packed() != nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.out, ": is a packed data set; add to its folder and pack it again"));
  }
  S2P_ASSIGN_OR_RETURN(const auto lock, FolderLock::Acquire(options.out));
  // An import may have been killed right after its last step.
  MarkFinished(options.out);
  S2P_ASSIGN_OR_RETURN(const auto plan, MakePlan(options, &set, stop));
  S2P_ASSIGN_OR_RETURN(const auto addition, AddTo(set, plan, progress, stop));
  ImportSummary summary = Summarise(plan, addition.images);
  summary.name = set.name();
  summary.attributes = static_cast<int64_t>(set.attributes().size());
  summary.added = addition.added;
  summary.already_there = addition.already_there;
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
                                            const std::function<void(int64_t, int64_t)>& progress,
                                            const std::function<bool()>& stop) {
  S2P_RETURN_IF_ERROR(CheckOptions(options));
  if (options.format == "photos") {
    S2P_RETURN_IF_ERROR(CheckPhotoFolders(options.root, options.unpaired_sketches, options.out));
  }
  if (options.add && !CanBegin(options.out)) return AddToExisting(options, progress, stop);
  S2P_ASSIGN_OR_RETURN(const auto plan, MakePlan(options, nullptr, stop));
  S2P_RETURN_IF_ERROR(CarryOut(plan, options.out, progress, stop));
  std::vector<DataSetImage> images;
  for (const PlannedImage& image : plan.images) images.push_back(image.line);
  ImportSummary summary = Summarise(plan, images);
  summary.added = static_cast<int64_t>(images.size());
  return summary;
}

}  // namespace s2p

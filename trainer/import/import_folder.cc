// A folder of one's own: photo/ and sketch/, or train/ and test/ (and val/) with these inside. All
// of an identity's files may be in a folder named after it; which of the others belong together,
// their names say (trainer/import/folder_names.h).
#include <algorithm>
#include <initializer_list>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "trainer/import/folder_names.h"
#include "trainer/import/identity_remarks.h"
#include "trainer/import/identity_split.h"
#include "trainer/import/import_formats.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;
using Source = FolderNames::Source;

constexpr const char* kSplits[] = {"train", "val", "test"};

// The subfolder called by the first name or, if there is none, the one that is called by any of the
// names in whatever case; `folder`/FIRST if there is no such folder either. InvalidArgument if two
// are.
absl::StatusOr<fs::path> Subfolder(const fs::path& folder,
                                   std::initializer_list<absl::string_view> names) {
  const fs::path usual = folder / std::string(*names.begin());
  std::error_code error;
  if (fs::exists(usual, error) || !IsFolder(folder)) return usual;
  S2P_ASSIGN_OR_RETURN(const auto entries, List(folder));
  fs::path found;
  for (const fs::path& entry : entries) {
    const std::string lower = absl::AsciiStrToLower(entry.filename().string());
    if (std::find(names.begin(), names.end(), lower) == names.end() || !IsFolder(entry)) continue;
    if (!found.empty()) {
      return Offending(entry, absl::StrCat("is there next to ", found.filename().string(),
                                           ", so it is unclear which is meant; rename one to ",
                                           *names.begin(), ", or put them together"));
    }
    found = entry;
  }
  return found.empty() ? usual : found;
}

absl::StatusOr<fs::path> PhotoFolder(const fs::path& folder) {
  return Subfolder(folder, {"photo", "photos"});
}

absl::StatusOr<fs::path> SketchFolder(const fs::path& folder) {
  return Subfolder(folder, {"sketch", "sketches"});
}

// Says for people by what the identities of images were found.
class SourceReport {
 public:
  void Add(v1::Modality modality, Source source, const fs::path& name,
           const std::string& identity) {
    constexpr size_t kExamples = 3;
    Found& found = found_[{modality == v1::MODALITY_SKETCH, source}];
    ++found.images;
    const std::string example =
        absl::StrCat(Printable(name.generic_string()), " shows ", Printable(identity));
    if (found.examples.size() < kExamples) found.examples.push_back(example);
  }

  std::vector<std::string> Lines() const {
    std::vector<std::string> lines;
    for (const auto& [key, found] : found_) {
      const bool has_more = found.images > static_cast<int64_t>(found.examples.size());
      lines.push_back(absl::StrCat(key.first ? "sketches" : "photos", " by ", Words(key.second),
                                   " (", found.images, "): ", absl::StrJoin(found.examples, ", "),
                                   has_more ? ", and so on" : ""));
    }
    return lines;
  }

 private:
  struct Found {
    int64_t images = 0;
    std::vector<std::string> examples;
  };
  static const char* Words(Source source) {
    switch (source) {
      case Source::kFolder:
        return "folder";
      case Source::kOwnName:
        return "their own names";
      case Source::kPrefix:
        return "their names up to the first _";
      case Source::kNameOfPhoto:
        return "the photo of the same name";
      case Source::kStartOfName:
        return "the photo whose name theirs starts with";
    }
    return "";
  }
  // By whether they are sketches, and source.
  std::map<std::pair<bool, Source>, Found> found_;
};

// The files of a folder that is being planned.
class FolderReader {
 public:
  FolderReader(const FolderOptions& options, Plan* plan)
      : options_(options), names_(options.identity_from), plan_(*plan) {
    if (options.set != nullptr) FixIdentities(*options.set);
  }

  absl::Status AddSplit(const fs::path& folder, const std::string& split) {
    S2P_ASSIGN_OR_RETURN(const auto photos, PhotoFolder(folder));
    S2P_ASSIGN_OR_RETURN(const auto sketches, SketchFolder(folder));
    std::error_code error;
    const bool has_sketches = fs::exists(sketches, error);
    // Photos alone are a data set too: a source, or a gallery. Sketches alone can be added to one.
    const bool may_be_without = options_.set != nullptr && has_sketches;
    if (IsFolder(folder) && !fs::exists(photos, error)) {
      if (!may_be_without) return NoPhotos(folder);
    } else {
      S2P_RETURN_IF_ERROR(AddModality(photos, v1::MODALITY_PHOTO, split));
    }
    return has_sketches ? AddModality(sketches, v1::MODALITY_SKETCH, split) : absl::OkStatus();
  }

  // Gives every image its identity. InvalidArgument naming the files that cannot be imported.
  absl::Status Finish() {
    names_.Group();
    SourceReport report;
    for (const Found& found : found_) {
      PlannedImage& image = plan_.images[found.index];
      const FolderNames::Identity identity = IdentityOf(found, image.line.modality);
      if (identity.name.empty()) {
        problems_.Add(Offending(image.from, "the name has no identity before the first _"));
      }
      image.line.identity = identity.name;
      report.Add(image.line.modality, identity.source,
                 fs::path(found.folder) / image.from.filename(), identity.name);
    }
    plan_.identities_from = report.Lines();
    plan_.remarks = names_.Remarks();
    return problems_.status();
  }

 private:
  // An image of the plan, and what names it: the folder in photo/ or sketch/, or else its stem.
  struct Found {
    size_t index = 0;
    std::string folder;
    std::string stem;
  };

  // Says what the folder has instead.
  static absl::Status NoPhotos(const fs::path& folder) {
    constexpr size_t kNamed = 5;
    S2P_ASSIGN_OR_RETURN(const auto entries, List(folder));
    std::string names;
    for (size_t i = 0; i < std::min(entries.size(), kNamed); ++i) {
      absl::StrAppend(&names, i == 0 ? "" : ", ", Printable(entries[i].filename().string()));
    }
    return absl::NotFoundError(
        absl::StrCat(Printable((folder / "photo").string()), ": there is no such folder, but ",
                     names.empty() ? "nothing" : names, entries.size() > kNamed ? " and more" : "",
                     "; photos are expected in photo/, sketches in sketch/"));
  }

  // Photos that the set has already keep their identities.
  void FixIdentities(const DataSet& set) {
    std::map<std::string, std::set<std::string>> of_folder;
    for (const DataSetImage& image : set.images()) {
      const std::vector<std::string> parts = absl::StrSplit(image.path, '/');
      if (image.modality != v1::MODALITY_PHOTO || parts[0] != "photo") continue;
      if (parts.size() == 2) names_.FixPhoto(fs::path(parts[1]).stem().string(), image.identity);
      if (parts.size() == 3) of_folder[parts[1]].insert(image.identity);
    }
    // Other formats have folders of many identities, or name identities by their paths.
    for (const auto& [folder, identities] : of_folder) {
      const std::string& first = *identities.begin();
      if (identities.size() > 1 || absl::StartsWith(first, folder + "/")) continue;
      names_.FixFolder(folder, first);
    }
  }

  absl::Status AddModality(const fs::path& folder, v1::Modality modality,
                           const std::string& split) {
    S2P_ASSIGN_OR_RETURN(const auto entries, List(folder, &plan_.passed_over));
    for (const fs::path& entry : entries) {
      const std::string name = entry.filename().string();
      if (!IsFolder(entry)) {
        if (!AddLoose(entry, modality, split)) continue;
        const std::string stem = entry.stem().string();
        found_.push_back({plan_.images.size() - 1, "", stem});
        names_.Add(modality, stem);
        continue;
      }
      S2P_ASSIGN_OR_RETURN(const auto files, List(entry, &plan_.passed_over));
      names_.AddFolder(modality, name);
      for (const fs::path& file : files) {
        if (!AddImage(file, fs::path(name) / file.filename(), modality, split)) continue;
        found_.push_back({plan_.images.size() - 1, name, ""});
      }
    }
    return absl::OkStatus();
  }

  // False, and a problem more, if it cannot be imported.
  bool AddImage(const fs::path& file, const fs::path& path_inside, v1::Modality modality,
                const std::string& split) {
    if (absl::Status status = CheckImage(file, ImageEndings()); !status.ok()) {
      problems_.Add(status);
      return false;
    }
    PlannedImage image = Planned(file, path_inside, "", modality, split);
    if (absl::Status status = CheckName(image); !status.ok()) {
      problems_.Add(status);
      return false;
    }
    plan_.images.push_back(std::move(image));
    return true;
  }

  // The same for a file that is in no folder of its identity.
  bool AddLoose(const fs::path& file, v1::Modality modality, const std::string& split) {
    if (options_.identity_from == "folder") {
      problems_.Add(Offending(file, "is in no folder that names its identity"));
      return false;
    }
    return AddImage(file, file.filename(), modality, split);
  }

  FolderNames::Identity IdentityOf(const Found& found, v1::Modality modality) const {
    return found.folder.empty() ? names_.Of(modality, found.stem)
                                : names_.OfFolder(modality, found.folder);
  }

  const FolderOptions& options_;
  FolderNames names_;
  Plan& plan_;
  Problems problems_;
  std::vector<Found> found_;
};

// Adds a remark on folders whose names say that they have images, but that are not read.
absl::Status RemarkUnread(const fs::path& root, bool has_splits, Plan& plan) {
  S2P_ASSIGN_OR_RETURN(const auto entries, List(root));
  std::set<fs::path> read;
  if (!has_splits) {
    S2P_ASSIGN_OR_RETURN(const auto photos, PhotoFolder(root));
    S2P_ASSIGN_OR_RETURN(const auto sketches, SketchFolder(root));
    read = {photos, sketches};
  }
  const std::set<std::string> names = {"photo", "photos", "sketch", "sketches"};
  for (const fs::path& entry : entries) {
    const std::string name = absl::AsciiStrToLower(entry.filename().string());
    if (names.count(name) == 0 || read.count(entry) > 0 || !IsFolder(entry)) continue;
    plan.remarks.push_back(absl::StrCat(
        Printable(entry.filename().string()), "/ is not read, because there is ",
        has_splits ? "a folder train, val or test" : "a folder photo or sketch", " next to it"));
  }
  return absl::OkStatus();
}

// The folders of the splits that there are.
absl::StatusOr<std::map<std::string, fs::path>> SplitFolders(const fs::path& root) {
  std::map<std::string, fs::path> folders;
  for (const char* split : kSplits) {
    S2P_ASSIGN_OR_RETURN(const auto folder, Subfolder(root, {split}));
    if (IsFolder(folder)) folders[split] = folder;
  }
  return folders;
}

// Adds the images of the folder, by its splits if it has any.
absl::Status ReadFolder(const fs::path& root, const std::map<std::string, fs::path>& splits,
                        const FolderOptions& options, Plan& plan) {
  FolderReader reader(options, &plan);
  for (const char* split : kSplits) {
    const auto folder = splits.find(split);
    if (folder == splits.end()) continue;
    S2P_RETURN_IF_ERROR(reader.AddSplit(folder->second, split));
  }
  if (splits.empty()) {
    S2P_RETURN_IF_ERROR(reader.AddSplit(root, "train"));
  }
  S2P_RETURN_IF_ERROR(reader.Finish());
  return plan.images.empty() ? Offending(root, "has no images") : absl::OkStatus();
}

}  // namespace

absl::StatusOr<Plan> PlanFolder(const fs::path& root, const FolderOptions& options) {
  Plan plan;
  plan.description.name = NameOfFolder(root);
  plan.description.source = "imported from a folder";
  S2P_ASSIGN_OR_RETURN(const auto splits, SplitFolders(root));
  if (!splits.empty() && options.split.test_fraction) {
    return Offending(root,
                     "has a split of its own, in train/, val/ or test/, so --test-fraction "
                     "cannot make one");
  }
  S2P_RETURN_IF_ERROR(ReadFolder(root, splits, options, plan));
  if (!splits.empty()) {
    plan.split_reason = "as the folders train/, val/ and test/ say";
  } else if (options.set != nullptr) {
    SplitLikeSet(*options.set, options.split, plan);
  } else {
    SplitByIdentity(options.split, plan);
  }
  // Otherwise they are checked with those of the set.
  if (options.set == nullptr) {
    S2P_RETURN_IF_ERROR(CheckIdentities(plan.images));
  }
  RemarkTwins(plan);
  WarnOfCrowds(plan);
  S2P_RETURN_IF_ERROR(RemarkUnread(root, !splits.empty(), plan));
  return plan;
}

}  // namespace s2p

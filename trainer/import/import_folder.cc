// A folder of one's own: photo/ and sketch/, or train/ and test/ (and val/) with these inside. All
// of an identity's files may be in a folder named after it; which of the others belong together,
// their names say (docs/datasets.md).
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "trainer/data/random.h"
#include "trainer/import/import_formats.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;

constexpr size_t kCounterDigits = 3;

// Up to the first '_'; empty if the name begins with it.
std::string PrefixOf(const std::string& stem) { return stem.substr(0, stem.find('_')); }

// Whether what follows the prefix begins with a number of three digits or more, as cameras name
// their pictures: IMG_0001, DSC_0042-edited, 20260131_101530, PXL_20260131_101530.
bool HasCounter(const std::string& stem) {
  const size_t begin = PrefixOf(stem).size() + 1;
  size_t end = begin;
  while (end < stem.size() && absl::ascii_isdigit(static_cast<unsigned char>(stem[end]))) ++end;
  return end >= begin + kCounterDigits;
}

// A file directly in photo/ or sketch/, whose name alone says what it shows.
struct LooseImage {
  size_t index = 0;
  std::string stem;
};

// The files of a folder that is being planned.
class FolderReader {
 public:
  FolderReader(const std::string& identity_from, Plan* plan)
      : identity_from_(identity_from), plan_(*plan) {}

  absl::Status AddSplit(const fs::path& folder, const std::string& split) {
    std::error_code error;
    if (IsFolder(folder) && !fs::exists(folder / "photo", error)) return NoPhotos(folder);
    absl::Status status = AddModality(folder / "photo", v1::MODALITY_PHOTO, split);
    // Photos alone are a data set too: a source, or a gallery.
    if (!status.ok() || !fs::exists(folder / "sketch", error)) return status;
    return AddModality(folder / "sketch", v1::MODALITY_SKETCH, split);
  }

  // Gives every image its identity. InvalidArgument naming the files that cannot be imported.
  absl::Status Finish() {
    GroupPhotos();
    for (const LooseImage& photo : photos_) IdentityOf(photo) = PhotoIdentity(photo.stem);
    for (const LooseImage& sketch : sketches_) IdentityOf(sketch) = SketchIdentity(sketch.stem);
    for (const auto* images : {&photos_, &sketches_}) {
      for (const LooseImage& image : *images) {
        if (!IdentityOf(image).empty()) continue;
        problems_.Add(Offending(plan_.images[image.index].from,
                                "the name has no identity before the first _"));
      }
    }
    return problems_.status();
  }

 private:
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

  absl::Status AddModality(const fs::path& folder, v1::Modality modality,
                           const std::string& split) {
    S2P_ASSIGN_OR_RETURN(const auto entries, List(folder, &plan_.passed_over));
    for (const fs::path& entry : entries) {
      const fs::path name = entry.filename();
      if (!IsFolder(entry)) {
        AddLoose(entry, modality, split);
        continue;
      }
      if (modality == v1::MODALITY_PHOTO) folders_.insert(name.string());
      S2P_ASSIGN_OR_RETURN(const auto files, List(entry, &plan_.passed_over));
      for (const fs::path& file : files) {
        AddImage(file, name / file.filename(), name.string(), modality, split);
      }
    }
    return absl::OkStatus();
  }

  // False, and a problem more, if it cannot be imported.
  bool AddImage(const fs::path& file, const fs::path& path_inside, std::string identity,
                v1::Modality modality, const std::string& split) {
    if (absl::Status status = CheckImage(file, ImageEndings()); !status.ok()) {
      problems_.Add(status);
      return false;
    }
    PlannedImage image = Planned(file, path_inside, std::move(identity), modality, split);
    if (absl::Status status = CheckName(image); !status.ok()) {
      problems_.Add(status);
      return false;
    }
    plan_.images.push_back(std::move(image));
    return true;
  }

  void AddLoose(const fs::path& file, v1::Modality modality, const std::string& split) {
    if (identity_from_ == "folder") {
      problems_.Add(Offending(file, "is in no folder that names its identity"));
      return;
    }
    auto& images = modality == v1::MODALITY_PHOTO ? photos_ : sketches_;
    if (!AddImage(file, file.filename(), "", modality, split)) return;
    images.push_back({plan_.images.size() - 1, file.stem().string()});
  }

  // Decides which photos that agree up to the first '_' show one thing.
  void GroupPhotos() {
    for (const LooseImage& photo : photos_) {
      names_.insert(photo.stem);
      groups_[PrefixOf(photo.stem)].insert(photo.stem);
    }
    for (const auto& [prefix, stems] : groups_) {
      if (IsOneIdentity(prefix, stems)) together_.insert(prefix);
    }
    if (identity_from_ == "auto") Remark();
    names_.insert(together_.begin(), together_.end());
  }

  bool IsOneIdentity(const std::string& prefix, const std::set<std::string>& stems) const {
    if (identity_from_ != "auto") return identity_from_ == "prefix";
    if (prefix.empty() || stems.size() < 2) return false;
    if (HasSketchOfAll(prefix)) return true;
    const bool are_counted = std::all_of(stems.begin(), stems.end(), HasCounter);
    const bool are_all = groups_.size() == 1 && folders_.empty();
    return !are_counted && !are_all;
  }

  // Whether a sketch is called as the whole group, ID or ID_7, and as no photo.
  bool HasSketchOfAll(const std::string& prefix) const {
    return std::any_of(sketches_.begin(), sketches_.end(), [&](const LooseImage& sketch) {
      if (PrefixOf(sketch.stem) != prefix || !NameIn(sketch.stem).empty()) return false;
      const absl::string_view rest = absl::string_view(sketch.stem).substr(prefix.size());
      return rest.size() <= kCounterDigits &&
             std::all_of(rest.begin() + (rest.empty() ? 0 : 1), rest.end(), absl::ascii_isdigit);
    });
  }

  // Adds remarks on photos whose names agree up to the first _.
  void Remark() {
    for (const bool one : {true, false}) {
      size_t photos = 0;
      const std::set<std::string>* example = nullptr;
      size_t groups = 0;
      for (const auto& [prefix, stems] : groups_) {
        if (stems.size() < 2 || (together_.count(prefix) > 0) != one) continue;
        if (example == nullptr) example = &stems;
        photos += stems.size();
        ++groups;
      }
      if (example == nullptr) continue;
      const std::string names = absl::StrCat(
          photos, " photos whose names agree up to the first _, as ", Printable(*example->begin()),
          " and ", Printable(*example->rbegin()), ", are of ");
      plan_.remarks.push_back(
          one ? absl::StrCat(names, groups, groups == 1 ? " identity" : " identities",
                             "; --identity-from stem keeps them apart")
              : absl::StrCat(names, photos,
                             " identities; --identity-from prefix puts them together"));
    }
  }

  // The longest name of a photo, a group or a folder of photos that `stem` is, or begins with
  // before a '_', '-', '.' or blank.
  std::string NameIn(const std::string& stem) const {
    for (size_t length = stem.size(); length > 0; --length) {
      if (length < stem.size() && !absl::StrContains("_-. ", stem.substr(length, 1))) continue;
      const std::string name = stem.substr(0, length);
      if (names_.count(name) > 0 || folders_.count(name) > 0) return name;
    }
    return "";
  }

  std::string PhotoIdentity(const std::string& stem) const {
    const std::string prefix = PrefixOf(stem);
    return identity_from_ == "prefix" || together_.count(prefix) > 0 ? prefix : stem;
  }

  std::string SketchIdentity(const std::string& stem) const {
    if (identity_from_ == "prefix") return PrefixOf(stem);
    const std::string name = NameIn(stem);
    if (name.empty()) return stem;
    return folders_.count(name) > 0 ? name : PhotoIdentity(name);
  }

  std::string& IdentityOf(const LooseImage& image) {
    return plan_.images[image.index].line.identity;
  }

  const std::string identity_from_;
  Plan& plan_;
  Problems problems_;
  std::vector<LooseImage> photos_;
  std::vector<LooseImage> sketches_;
  // Names of the folders of photos, which are identities.
  std::set<std::string> folders_;
  // Names that a sketch may start with: stems of photos, and `together_`.
  std::set<std::string> names_;
  // Stems of photos by prefix.
  std::map<std::string, std::set<std::string>> groups_;
  // The prefixes that are identities.
  std::set<std::string> together_;
};

// A quarter of the identities, those whose seeded hash is lowest, become the test part.
void SplitByIdentity(uint64_t seed, Plan& plan) {
  std::set<std::pair<uint64_t, std::string>> order;
  for (const PlannedImage& image : plan.images) {
    order.emplace(SeedOf(seed, HashOf(image.line.identity)), image.line.identity);
  }
  std::set<std::string> test;
  for (const auto& [hash, identity] : order) {
    if (test.size() * 4 >= order.size()) break;
    test.insert(identity);
  }
  for (PlannedImage& image : plan.images) {
    image.line.split = test.count(image.line.identity) > 0 ? "test" : "train";
  }
}

// Adds remarks on identities that people take for one another.
void RemarkTwins(Plan& plan) {
  constexpr size_t kNamed = 3;
  std::map<std::u32string, std::set<std::string>> of_look;
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

std::string NameOf(const fs::path& root) {
  const fs::path name = root.filename().empty() ? root.parent_path().filename() : root.filename();
  return name.empty() || name == "." ? "folder" : Printable(name.string());
}

}  // namespace

absl::StatusOr<Plan> PlanFolder(const fs::path& root, uint64_t split_seed,
                                const std::string& identity_from) {
  Plan plan;
  plan.description.name = NameOf(root);
  plan.description.source = "imported from a folder";
  FolderReader reader(identity_from, &plan);
  bool has_splits = false;
  for (const char* split : {"train", "val", "test"}) {
    if (!IsFolder(root / split)) continue;
    has_splits = true;
    S2P_RETURN_IF_ERROR(reader.AddSplit(root / split, split));
  }
  if (!has_splits) {
    S2P_RETURN_IF_ERROR(reader.AddSplit(root, "train"));
  }
  S2P_RETURN_IF_ERROR(reader.Finish());
  if (plan.images.empty()) return Offending(root, "has no images");
  if (!has_splits) SplitByIdentity(split_seed, plan);
  S2P_RETURN_IF_ERROR(CheckIdentities(plan));
  RemarkTwins(plan);
  return plan;
}

}  // namespace s2p

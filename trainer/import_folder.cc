// A folder of one's own: photo/ and sketch/, or train/ and test/ (and val/) with these inside. A
// file is IDENTITY.ext or IDENTITY_anything.ext; or all of an identity's files are in a folder
// named after it.
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "trainer/import_formats.h"
#include "trainer/random.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;

absl::Status AddFile(const fs::path& file, const fs::path& path_inside, std::string identity,
                     v1::Modality modality, const std::string& split, Plan& plan) {
  if (absl::Status status = CheckImage(file, ImageEndings()); !status.ok()) return status;
  if (identity.empty()) return Offending(file, "the name has no identity before the first _");
  plan.images.push_back(Planned(file, path_inside, std::move(identity), modality, split));
  return absl::OkStatus();
}

absl::Status AddModality(const fs::path& folder, v1::Modality modality, const std::string& split,
                         Plan& plan) {
  const auto entries = List(folder);
  if (!entries.ok()) return entries.status();
  for (const fs::path& entry : *entries) {
    const fs::path name = entry.filename();
    if (!IsFolder(entry)) {
      const std::string stem = entry.stem().string();
      absl::Status status =
          AddFile(entry, name, stem.substr(0, stem.find('_')), modality, split, plan);
      if (!status.ok()) return status;
      continue;
    }
    const auto files = List(entry);
    if (!files.ok()) return files.status();
    for (const fs::path& file : *files) {
      absl::Status status =
          AddFile(file, name / file.filename(), name.string(), modality, split, plan);
      if (!status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

absl::Status AddSplit(const fs::path& folder, const std::string& split, Plan& plan) {
  absl::Status status = AddModality(folder / "photo", v1::MODALITY_PHOTO, split, plan);
  if (!status.ok()) return status;
  // Photos alone are a data set too: a source, or a gallery.
  if (!IsFolder(folder / "sketch")) return absl::OkStatus();
  return AddModality(folder / "sketch", v1::MODALITY_SKETCH, split, plan);
}

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

}  // namespace

absl::StatusOr<Plan> PlanFolder(const fs::path& root, uint64_t split_seed) {
  Plan plan;
  plan.description.name =
      root.filename().empty() ? root.parent_path().filename().string() : root.filename().string();
  if (plan.description.name.empty() || plan.description.name == ".") {
    plan.description.name = "folder";
  }
  plan.description.source = "imported from a folder";
  bool has_splits = false;
  for (const char* split : {"train", "val", "test"}) {
    if (!IsFolder(root / split)) continue;
    has_splits = true;
    if (absl::Status status = AddSplit(root / split, split, plan); !status.ok()) return status;
  }
  if (!has_splits) {
    if (absl::Status status = AddSplit(root, "train", plan); !status.ok()) return status;
    SplitByIdentity(split_seed, plan);
  }
  if (plan.images.empty()) return Offending(root, "has no images");
  if (absl::Status status = CheckIdentities(plan); !status.ok()) return status;
  return plan;
}

}  // namespace s2p

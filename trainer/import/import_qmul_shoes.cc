// QMUL-Shoes V1 as its authors publish it: {train,test}/images/N.jpg, {train,test}/sketches/N.png;
// equal stems belong together.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "trainer/data/csv.h"
#include "trainer/import/import_formats.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;

absl::StatusOr<std::map<std::string, fs::path>> ListStems(const fs::path& folder,
                                                          const std::string& ending) {
  S2P_ASSIGN_OR_RETURN(const auto entries, List(folder));
  std::map<std::string, fs::path> by_stem;
  for (const fs::path& file : entries) {
    S2P_RETURN_IF_ERROR(CheckImage(file, {ending}));
    const std::string stem = file.stem().string();
    if (!std::all_of(stem.begin(), stem.end(), absl::ascii_isdigit)) {
      return Offending(file, "the name is not a number");
    }
    if (!by_stem.emplace(stem, file).second) return Offending(file, "the number is there twice");
  }
  return by_stem;
}

absl::Status PlanQmulSplit(const fs::path& root, const std::string& split,
                           std::set<std::string>& seen, Plan& plan) {
  const fs::path photo_folder = root / split / "images";
  const fs::path sketch_folder = root / split / "sketches";
  S2P_ASSIGN_OR_RETURN(const auto photos, ListStems(photo_folder, ".jpg"));
  S2P_ASSIGN_OR_RETURN(const auto sketches, ListStems(sketch_folder, ".png"));
  for (const auto& [stem, file] : sketches) {
    if (photos.count(stem) == 0) {
      return Offending(file,
                       absl::StrCat("has no photo ", stem, ".jpg in ", photo_folder.string()));
    }
  }
  if (photos.empty()) return Offending(photo_folder, "has no photo");
  // Numbers in their own order: 2 before 10.
  std::vector<std::pair<std::string, fs::path>> in_order(photos.begin(), photos.end());
  std::stable_sort(in_order.begin(), in_order.end(),
                   [](const auto& a, const auto& b) { return a.first.size() < b.first.size(); });
  for (const auto& [stem, file] : in_order) {
    const auto sketch = sketches.find(stem);
    if (sketch == sketches.end()) {
      return Offending(file,
                       absl::StrCat("has no sketch ", stem, ".png in ", sketch_folder.string()));
    }
    if (!seen.insert(stem).second) return Offending(file, "the number is in train and in test");
    plan.images.push_back(Planned(file, stem + ".jpg", stem, v1::MODALITY_PHOTO, split));
    plan.images.push_back(Planned(sketch->second, stem + ".png", stem, v1::MODALITY_SKETCH, split));
  }
  return absl::OkStatus();
}

// The number of the column that the header calls `name`.
absl::StatusOr<size_t> ColumnOf(const CsvReader& reader, const std::vector<std::string>& header,
                                const std::string& name) {
  const auto found = std::find(header.begin(), header.end(), name);
  if (found == header.end()) return reader.Wrong(absl::StrCat("has no column ", name));
  return static_cast<size_t>(found - header.begin());
}

// Relative, and not out of the folder.
bool StaysInside(const fs::path& path) {
  return !path.empty() && path.is_relative() &&
         std::none_of(path.begin(), path.end(), [](const fs::path& part) { return part == ".."; });
}

absl::Status PlanFurtherSketches(const fs::path& folder, Plan& plan) {
  std::set<std::string> to_train_on;
  for (const PlannedImage& image : plan.images) {
    if (image.line.split == "train") to_train_on.insert(image.line.identity);
  }
  S2P_ASSIGN_OR_RETURN(auto reader, CsvReader::Open((folder / "pairs.csv").string()));
  std::vector<std::string> row;
  auto more = reader.Next(&row);
  if (!more.ok()) return more.status();
  const auto id = ColumnOf(reader, row, "id");
  const auto sketch = ColumnOf(reader, row, "sketch");
  if (!id.ok() || !sketch.ok()) return id.ok() ? sketch.status() : id.status();
  std::set<std::string> seen;
  for (;;) {
    more = reader.Next(&row);
    if (!more.ok()) return more.status();
    if (!*more) return absl::OkStatus();
    if (row.size() <= std::max(*id, *sketch)) return reader.Wrong("has too few columns");
    // A sketch of a test photo would make the test easier than it is.
    if (to_train_on.count(row[*id]) == 0) {
      return reader.Wrong(absl::StrCat("there is no photo ", row[*id], " to train on"));
    }
    if (!StaysInside(row[*sketch])) {
      return reader.Wrong(absl::StrCat("\"", row[*sketch], "\" is not a path in the folder"));
    }
    const fs::path file = folder / row[*sketch];
    S2P_RETURN_IF_ERROR(CheckImage(file, ImageEndings()));
    const std::string name = absl::StrCat("further-", file.filename().string());
    if (!seen.insert(name).second) return reader.Wrong("the sketch is there twice");
    plan.images.push_back(Planned(file, name, row[*id], v1::MODALITY_SKETCH, "train"));
  }
}

}  // namespace

absl::StatusOr<Plan> PlanQmulShoes(const fs::path& root, const fs::path& further) {
  Plan plan;
  plan.description.name = "qmul-shoes-v1";
  plan.description.source =
      "QMUL-Shoes V1: Q. Yu, F. Liu, Y.-Z. Song, T. Xiang, T. Hospedales, C. C. Loy, \"Sketch Me "
      "That Shoe\", CVPR 2016";
  plan.description.licence = "research use only; no right to redistribute was found";
  std::set<std::string> seen;
  for (const char* split : {"train", "test"}) {
    S2P_RETURN_IF_ERROR(PlanQmulSplit(root, split, seen, plan));
  }
  if (!further.empty()) {
    S2P_RETURN_IF_ERROR(PlanFurtherSketches(further, plan));
  }
  return plan;
}

}  // namespace s2p

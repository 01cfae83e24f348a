// QMUL-Shoes V1 as its authors publish it: {train,test}/images/N.jpg, {train,test}/sketches/N.png;
// equal stems belong together.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status_macros.h"
#include "trainer/data/csv.h"
#include "trainer/import/import_formats.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;

absl::StatusOr<std::map<std::string, fs::path>> ListStems(const fs::path& folder,
                                                          const std::string& ending,
                                                          int64_t* passed_over) {
  S2P_ASSIGN_OR_RETURN(const auto entries, List(folder, passed_over));
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
  S2P_ASSIGN_OR_RETURN(const auto photos, ListStems(photo_folder, ".jpg", &plan.passed_over));
  S2P_ASSIGN_OR_RETURN(const auto sketches, ListStems(sketch_folder, ".png", &plan.passed_over));
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

// The number of the column that the header calls `name`, in any case.
absl::StatusOr<size_t> ColumnOf(const CsvReader& reader, const std::vector<std::string>& header,
                                absl::string_view name) {
  for (size_t i = 0; i < header.size(); ++i) {
    if (absl::EqualsIgnoreCase(absl::StripAsciiWhitespace(header[i]), name)) return i;
  }
  return reader.Wrong(absl::StrCat("has no column ", name));
}

// Relative, and not out of the folder.
bool StaysInside(const fs::path& path) {
  return !path.empty() && path.is_relative() &&
         std::none_of(path.begin(), path.end(), [](const fs::path& part) { return part == ".."; });
}

// The file of that name in the folder. A list that was written on Windows has its separators.
fs::path PathIn(const fs::path& folder, absl::string_view name) {
  const fs::path path = std::string(name);
  std::error_code error;
  return fs::exists(folder / path, error) ? path
                                          : fs::path(absl::StrReplaceAll(name, {{"\\", "/"}}));
}

// A row of pairs.csv.
struct FurtherSketch {
  std::string id;
  // In the folder.
  fs::path path;
};

// Reads and checks pairs.csv; `to_train_on` has the ids that may be drawn.
absl::StatusOr<std::vector<FurtherSketch>> ReadPairs(const fs::path& folder,
                                                     const std::set<std::string>& to_train_on) {
  S2P_ASSIGN_OR_RETURN(auto reader, CsvReader::Open((folder / "pairs.csv").string()));
  std::vector<std::string> row;
  S2P_RETURN_IF_ERROR(reader.Next(&row).status());
  S2P_ASSIGN_OR_RETURN(const auto id, ColumnOf(reader, row, "id"));
  S2P_ASSIGN_OR_RETURN(const auto sketch, ColumnOf(reader, row, "sketch"));
  std::vector<FurtherSketch> sketches;
  std::set<fs::path> seen;
  for (;;) {
    S2P_ASSIGN_OR_RETURN(const bool more, reader.Next(&row));
    if (!more) return sketches;
    if (row.size() <= std::max(id, sketch)) return reader.Wrong("has too few columns");
    FurtherSketch further;
    further.id = std::string(absl::StripAsciiWhitespace(row[id]));
    further.path = PathIn(folder, absl::StripAsciiWhitespace(row[sketch]));
    // A sketch of a test photo would make the test easier than it is.
    if (to_train_on.count(further.id) == 0) {
      return reader.Wrong(absl::StrCat("there is no photo ", further.id, " to train on"));
    }
    if (!StaysInside(further.path)) {
      return reader.Wrong(absl::StrCat("\"", row[sketch], "\" is not a path in the folder"));
    }
    S2P_RETURN_IF_ERROR(CheckImage(folder / further.path, ImageEndings()));
    further.path = further.path.lexically_normal();
    if (!seen.insert(further.path).second) return reader.Wrong("the sketch is there twice");
    sketches.push_back(std::move(further));
  }
}

absl::Status PlanFurtherSketches(const fs::path& folder, Plan& plan) {
  std::set<std::string> to_train_on;
  for (const PlannedImage& image : plan.images) {
    if (image.line.split == "train") to_train_on.insert(image.line.identity);
  }
  S2P_ASSIGN_OR_RETURN(const auto sketches, ReadPairs(folder, to_train_on));
  std::map<std::string, int> with_name;
  for (const FurtherSketch& sketch : sketches) ++with_name[sketch.path.filename().string()];
  for (const FurtherSketch& sketch : sketches) {
    const std::string name = sketch.path.filename().string();
    // Each sketcher may have had a folder of the same names.
    const fs::path copy =
        with_name[name] == 1 ? fs::path("further-" + name) : fs::path("further") / sketch.path;
    plan.images.push_back(
        Planned(folder / sketch.path, copy, sketch.id, v1::MODALITY_SKETCH, "train"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Plan> PlanQmulShoes(const fs::path& root, const fs::path& further) {
  Plan plan;
  plan.description.name = "qmul-shoes-v1";
  plan.description.source =
      "QMUL-Shoes V1: Q. Yu, F. Liu, Y.-Z. Song, T. Xiang, T. Hospedales, C. C. Loy, \"Sketch Me "
      "That Shoe\", CVPR 2016";
  plan.description.licence = "research use only; no right to redistribute was found";
  plan.split_reason = "as its folders say";
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

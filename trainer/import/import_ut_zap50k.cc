// UT-Zap50K: ut-zap50k-images-square/CATEGORY/SUBCATEGORY/BRAND/SHOE.COLOUR.jpg (or
// ut-zap50k-images) and ut-zap50k-data/meta-data-bin.csv: CID, that is SHOE-COLOUR, and 151 columns
// of 0 or 1. Identities and attributes are those that the authors of IHDA made of it: an image's
// identity is SHOE; shoes with fewer than three images are left out; of the columns, counted from 0
// without CID, they train on 0-3 (category), 46-64 and 144-150.
#include <algorithm>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "trainer/data/csv.h"
#include "trainer/import/colour_attributes.h"
#include "trainer/import/import_formats.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;

constexpr size_t kColumns = 151;
constexpr std::pair<size_t, size_t> kKept[] = {{0, 4}, {46, 65}, {144, 151}};
constexpr size_t kMinImages = 3;

struct Row {
  int64_t line = 0;
  std::vector<float> attributes;
  fs::path image;
};

struct Table {
  std::string path;
  std::vector<std::string> attributes;
  // By CID.
  std::unordered_map<std::string, Row> rows;
  std::vector<std::string> cids;
  int64_t passed_over = 0;
};

// SHOE and COLOUR, numbers separated by `separator`.
bool IsCid(absl::string_view text, char separator) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, separator);
  return parts.size() == 2 && std::all_of(parts.begin(), parts.end(), [](absl::string_view part) {
           return !part.empty() && std::all_of(part.begin(), part.end(), absl::ascii_isdigit);
         });
}

absl::Status ReadHeader(CsvReader& reader, Table& table) {
  std::vector<std::string> fields;
  S2P_ASSIGN_OR_RETURN(const auto more, reader.Next(&fields));
  if (!more) return Offending(reader.path(), "is empty");
  if (fields[0] != "CID" || fields.size() != kColumns + 1) {
    return reader.Wrong(absl::StrCat("has ", fields.size(), " columns beginning with ", fields[0],
                                     ", expected CID and ", kColumns, " more"));
  }
  for (size_t i = 0; i < 4; ++i) {
    if (!absl::StartsWith(fields[i + 1], "Category.")) {
      return reader.Wrong(absl::StrCat("column ", i + 2, " is ", fields[i + 1],
                                       ", expected one that begins with Category."));
    }
  }
  for (const auto& [begin, end] : kKept) {
    for (size_t i = begin; i < end; ++i) {
      if (fields[i + 1].empty() || std::count(fields.begin(), fields.end(), fields[i + 1]) > 1) {
        return reader.Wrong(absl::StrCat("column ", i + 2, " has no name of its own"));
      }
      if (IsColourAttribute("ut-zap50k", fields[i + 1])) continue;
      table.attributes.push_back(fields[i + 1]);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Table> ReadTable(const fs::path& path) {
  S2P_ASSIGN_OR_RETURN(auto reader, CsvReader::Open(path.string()));
  Table table;
  table.path = path.string();
  S2P_RETURN_IF_ERROR(ReadHeader(reader, table));
  std::vector<std::string> fields;
  while (true) {
    S2P_ASSIGN_OR_RETURN(const auto more, reader.Next(&fields));
    if (!more) break;
    if (fields.size() != kColumns + 1) {
      return reader.Wrong(absl::StrCat("has ", fields.size(), " columns, expected ", kColumns + 1));
    }
    if (!IsCid(fields[0], '-')) {
      return reader.Wrong(absl::StrCat("CID \"", fields[0], "\" is not as 100627-72"));
    }
    Row row;
    row.line = reader.line();
    for (size_t i = 1; i < fields.size(); ++i) {
      if (fields[i] != "0" && fields[i] != "1") {
        return reader.Wrong(
            absl::StrCat("column ", i + 1, " is \"", fields[i], "\", expected 0 or 1"));
      }
    }
    for (const auto& [begin, end] : kKept) {
      for (size_t i = begin; i < end; ++i) {
        row.attributes.push_back(fields[i + 1] == "1" ? 1.0f : 0.0f);
      }
    }
    const auto [first, is_new] = table.rows.emplace(fields[0], std::move(row));
    if (!is_new) {
      return reader.Wrong(
          absl::StrCat("CID ", fields[0], " is listed already in line ", first->second.line));
    }
    table.cids.push_back(fields[0]);
  }
  return table;
}

absl::Status AddImage(const fs::path& file, Table& table) {
  S2P_RETURN_IF_ERROR(CheckImage(file, {".jpg"}));
  const std::string stem = file.stem().string();
  if (!IsCid(stem, '.')) {
    return Offending(file, "expected a name SHOE.COLOUR.jpg, as 100627.72.jpg");
  }
  std::string cid = stem;
  std::replace(cid.begin(), cid.end(), '.', '-');
  const auto row = table.rows.find(cid);
  if (row == table.rows.end()) {
    return Offending(file, absl::StrCat("CID ", cid, " is not in ", table.path));
  }
  if (!row->second.image.empty()) {
    return Offending(file, absl::StrCat("is there already as ", row->second.image.string()));
  }
  row->second.image = file;
  return absl::OkStatus();
}

// Exactly `depth` folders deep: category, subcategory, brand. Brands are not compared with
// anything: the published archives write a period at the end of one as %2E.
absl::Status AddImages(const fs::path& folder, int depth, Table& table) {
  S2P_ASSIGN_OR_RETURN(const auto entries, List(folder, &table.passed_over));
  for (const fs::path& entry : entries) {
    if ((depth > 0) != IsFolder(entry)) {
      return Offending(entry, "expected CATEGORY/SUBCATEGORY/BRAND/SHOE.COLOUR.jpg");
    }
    S2P_RETURN_IF_ERROR(depth > 0 ? AddImages(entry, depth - 1, table) : AddImage(entry, table));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Plan> PlanUtZap50k(const fs::path& root) {
  S2P_ASSIGN_OR_RETURN(auto table, ReadTable(root / "ut-zap50k-data" / "meta-data-bin.csv"));
  fs::path folder = root / "ut-zap50k-images-square";
  if (!IsFolder(folder) && IsFolder(root / "ut-zap50k-images")) folder = root / "ut-zap50k-images";
  S2P_RETURN_IF_ERROR(AddImages(folder, 3, table));

  Plan plan;
  plan.description.name = "ut-zap50k";
  plan.description.source =
      "UT Zappos50K: A. Yu, K. Grauman, \"Fine-Grained Visual Comparisons with Local Learning\", "
      "CVPR "
      "2014";
  plan.description.licence = "academic, non-commercial use only";
  plan.description.attributes = table.attributes;
  plan.passed_over = table.passed_over;
  plan.split_reason = "it is a source, so all identities are to train on";
  const auto shoe_of = [](const std::string& cid) { return cid.substr(0, cid.find('-')); };
  std::map<std::string, size_t> images_of;
  for (const std::string& cid : table.cids) {
    const Row& row = table.rows[cid];
    if (row.image.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(table.path, ":", row.line, ": CID ", cid,
                                                     " has no image below ", folder.string()));
    }
    ++images_of[shoe_of(cid)];
  }
  for (const std::string& cid : table.cids) {
    Row& row = table.rows[cid];
    const std::string shoe = shoe_of(cid);
    if (images_of[shoe] < kMinImages) {
      ++plan.left_out;
      continue;
    }
    plan.images.push_back(Planned(row.image, fs::path(shoe) / row.image.filename(), shoe,
                                  v1::MODALITY_PHOTO, "train"));
    plan.images.back().line.attributes = std::move(row.attributes);
  }
  if (plan.images.empty()) return Offending(folder, "has no shoe with three images");
  return plan;
}

}  // namespace s2p

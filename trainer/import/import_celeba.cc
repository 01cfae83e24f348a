// CelebA with aligned faces: Img/img_align_celeba/NNNNNN.jpg, Anno/list_attr_celeba.txt (the number
// of images; the 40 names; FILE and 40 times 1 or -1), Anno/identity_CelebA.txt (FILE ID) and
// Eval/list_eval_partition.txt (FILE 0, 1 or 2: train, val, test). torchvision has all of them in
// one folder; that is taken too.
#include <algorithm>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "base/text_file.h"
#include "trainer/import/colour_attributes.h"
#include "trainer/import/import_formats.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;

constexpr size_t kAttributes = 40;

struct AttributeTable {
  // Without colours.
  std::vector<std::string> names;
  // In the order of the file: image and values.
  std::vector<std::pair<std::string, std::vector<float>>> rows;
};

std::vector<absl::string_view> Words(absl::string_view line) {
  return absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
}

// In any case of its letters, which differs between copies of the data set.
bool IsFileName(absl::string_view name) {
  return name.size() == 10 && absl::EqualsIgnoreCase(name.substr(6), ".jpg") &&
         std::all_of(name.begin(), name.begin() + 6, absl::ascii_isdigit);
}

// Where the file is: below its own folder, or directly in the root.
fs::path Find(const fs::path& root, const char* folder, const char* name) {
  std::error_code error;
  if (!fs::exists(root / folder / name, error) && fs::exists(root / name, error)) {
    return root / name;
  }
  return root / folder / name;
}

// The first two lines. `kept` are the columns that are no colours.
absl::Status ReadHeader(TextFile& file, int64_t* count, std::vector<std::string>* names,
                        std::vector<size_t>* kept) {
  absl::string_view line;
  if (!file.NextFilled(&line) || !absl::SimpleAtoi(line, count) || *count < 1) {
    return Offending(file.path(), "the first line is not the number of images");
  }
  const auto words = file.NextFilled(&line) ? Words(line) : std::vector<absl::string_view>();
  if (words.size() != kAttributes) {
    return file.Wrong(absl::StrCat("has ", words.size(), " words, expected the names of ",
                                   kAttributes, " attributes"));
  }
  for (size_t i = 0; i < words.size(); ++i) {
    if (std::count(words.begin(), words.end(), words[i]) > 1) {
      return file.Wrong(absl::StrCat("attribute ", words[i], " is named twice"));
    }
    if (IsColourAttribute("celeba", words[i])) continue;
    kept->push_back(i);
    names->emplace_back(words[i]);
  }
  return absl::OkStatus();
}

absl::StatusOr<AttributeTable> ReadAttributes(const fs::path& path) {
  S2P_ASSIGN_OR_RETURN(auto file, TextFile::Read(path.string()));
  AttributeTable table;
  int64_t count = 0;
  std::vector<size_t> kept;
  S2P_RETURN_IF_ERROR(ReadHeader(file, &count, &table.names, &kept));
  absl::string_view line;
  while (file.NextFilled(&line)) {
    const std::vector<absl::string_view> words = Words(line);
    if (words.size() != kAttributes + 1 || !IsFileName(words[0])) {
      return file.Wrong(absl::StrCat("expected NNNNNN.jpg and ", kAttributes, " times 1 or -1"));
    }
    for (size_t i = 1; i < words.size(); ++i) {
      if (words[i] != "1" && words[i] != "-1") {
        return file.Wrong(absl::StrCat("value ", i, " is \"", words[i], "\", not 1 or -1"));
      }
    }
    std::vector<float> values;
    for (const size_t column : kept) values.push_back(words[column + 1] == "1" ? 1.0f : 0.0f);
    table.rows.emplace_back(absl::AsciiStrToLower(words[0]), std::move(values));
  }
  if (static_cast<int64_t>(table.rows.size()) != count) {
    return Offending(path, absl::StrCat("has lines for ", table.rows.size(),
                                        " images, but its first line says ", count));
  }
  return table;
}

// A file of lines FILE VALUE, where `check` says whether a value is one.
absl::StatusOr<std::unordered_map<std::string, std::string>> ReadColumn(
    const fs::path& path, bool (*check)(absl::string_view), absl::string_view expected) {
  S2P_ASSIGN_OR_RETURN(auto file, TextFile::Read(path.string()));
  std::unordered_map<std::string, std::string> value_of;
  absl::string_view line;
  while (file.NextFilled(&line)) {
    const std::vector<absl::string_view> words = Words(line);
    if (words.size() != 2 || !IsFileName(words[0]) || !check(words[1])) {
      return file.Wrong(absl::StrCat("expected NNNNNN.jpg and ", expected));
    }
    if (!value_of.emplace(absl::AsciiStrToLower(words[0]), std::string(words[1])).second) {
      return file.Wrong(absl::StrCat(words[0], " is listed twice"));
    }
  }
  return value_of;
}

bool IsIdentity(absl::string_view word) {
  return std::all_of(word.begin(), word.end(), absl::ascii_isdigit);
}

bool IsPartition(absl::string_view word) { return word == "0" || word == "1" || word == "2"; }

const char* SplitOf(const std::string& partition) {
  return partition == "0" ? "train" : partition == "1" ? "val" : "test";
}

// The images by their names in lower case, after a check that the folder has exactly those that are
// listed.
absl::StatusOr<std::map<std::string, fs::path>> ListImages(const fs::path& folder,
                                                           const AttributeTable& table,
                                                           const fs::path& table_path,
                                                           int64_t* passed_over) {
  S2P_ASSIGN_OR_RETURN(const auto files, List(folder, passed_over));
  std::vector<std::string> listed;
  for (const auto& [name, values] : table.rows) listed.push_back(name);
  std::sort(listed.begin(), listed.end());
  const auto twice = std::adjacent_find(listed.begin(), listed.end());
  if (twice != listed.end()) return Offending(table_path, *twice + " is listed twice");
  std::map<std::string, fs::path> images;
  for (const fs::path& file : files) {
    S2P_RETURN_IF_ERROR(CheckImage(file, {".jpg"}));
    const std::string name = absl::AsciiStrToLower(file.filename().string());
    if (!std::binary_search(listed.begin(), listed.end(), name)) {
      return Offending(file, absl::StrCat("is not listed in ", table_path.string()));
    }
    if (!images.emplace(name, file).second) return Offending(file, "the number is there twice");
  }
  for (const std::string& name : listed) {
    if (images.count(name) == 0) {
      return Offending(table_path, absl::StrCat(name, " is listed but not in ", folder.string()));
    }
  }
  return images;
}

}  // namespace

absl::StatusOr<Plan> PlanCelebA(const fs::path& root) {
  const fs::path attribute_path = Find(root, "Anno", "list_attr_celeba.txt");
  const fs::path identity_path = Find(root, "Anno", "identity_CelebA.txt");
  const fs::path partition_path = Find(root, "Eval", "list_eval_partition.txt");
  const fs::path folder = Find(root, "Img", "img_align_celeba");
  S2P_ASSIGN_OR_RETURN(auto table, ReadAttributes(attribute_path));
  S2P_ASSIGN_OR_RETURN(const auto identities,
                       ReadColumn(identity_path, IsIdentity, "the number of an identity"));
  S2P_ASSIGN_OR_RETURN(const auto partitions, ReadColumn(partition_path, IsPartition, "0, 1 or 2"));
  Plan plan;
  S2P_ASSIGN_OR_RETURN(const auto images,
                       ListImages(folder, table, attribute_path, &plan.passed_over));
  plan.description.name = "celeba";
  plan.description.source =
      "CelebA: Z. Liu, P. Luo, X. Wang, X. Tang, \"Deep Learning Face Attributes in the Wild\", "
      "ICCV "
      "2015";
  plan.description.licence = "non-commercial research use only; no redistribution";
  plan.description.attributes = std::move(table.names);
  plan.split_reason = "as list_eval_partition.txt says";
  for (auto& [name, values] : table.rows) {
    const auto identity = identities.find(name);
    if (identity == identities.end()) return Offending(identity_path, "does not list " + name);
    const auto partition = partitions.find(name);
    if (partition == partitions.end()) return Offending(partition_path, "does not list " + name);
    plan.images.push_back(Planned(images.at(name), name, identity->second, v1::MODALITY_PHOTO,
                                  SplitOf(partition->second)));
    plan.images.back().line.attributes = std::move(values);
  }
  S2P_RETURN_IF_ERROR(CheckIdentities(plan.images));
  return plan;
}

}  // namespace s2p

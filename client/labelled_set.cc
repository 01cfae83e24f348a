#include "client/labelled_set.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "base/text_file.h"
#include "client/clean_text.h"

namespace s2p {
namespace {

using Json = nlohmann::json;

constexpr int kFormat = 1;
// 4 GiB, the trainer's limit.
constexpr uint64_t kMaxBytes = uint64_t{1} << 32;

// Explains why a file of the folder could not be read.
absl::Status Unreadable(const absl::Status& why, const std::string& path) {
  if (!absl::IsNotFound(why)) return why;
  return absl::NotFoundError(absl::StrCat(path, ": does not exist; is this a data set folder?"));
}

absl::StatusOr<std::string> StringField(const Json& line, const char* name,
                                        const std::string& where) {
  const auto field = line.find(name);
  if (field == line.end() || !field->is_string() || field->get_ref<const std::string&>().empty()) {
    return absl::InvalidArgumentError(absl::StrCat(where, ": \"", name, "\" must be text"));
  }
  auto text = field->get<std::string>();
  S2P_RETURN_IF_ERROR(CheckText(text, absl::StrCat(where, ": \"", name, "\"")));
  return text;
}

bool LeavesFolder(const std::string& path) {
  if (absl::StartsWith(path, "/")) return true;
  for (absl::string_view part : absl::StrSplit(path, '/')) {
    if (part == "..") return true;
  }
  return false;
}

absl::Status AddLine(const std::string& text, const std::string& where, LabelledSet& set) {
  const Json line = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!line.is_object()) return absl::InvalidArgumentError(absl::StrCat(where, ": not JSON"));
  LabelledImage image;
  std::string modality, split;
  for (const auto& [name, value] :
       {std::pair("path", &image.path), std::pair("identity", &image.identity),
        std::pair("modality", &modality), std::pair("split", &split)}) {
    S2P_ASSIGN_OR_RETURN(auto field, StringField(line, name, where));
    *value = std::move(field);
  }
  if (LeavesFolder(image.path)) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ": path \"", image.path, "\" leaves the folder"));
  }
  if (modality == "sketch") {
    image.modality = v1::MODALITY_SKETCH;
  } else if (modality != "photo") {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ": modality \"", modality, "\" is neither sketch nor photo"));
  }
  if (split == set.split) set.images.push_back(std::move(image));
  return absl::OkStatus();
}

absl::Status ReadName(const std::string& folder, LabelledSet& set) {
  const std::string path = absl::StrCat(folder, "/dataset.json");
  const auto text = ReadTextFile(path, kMaxBytes);
  if (!text.ok()) return Unreadable(text.status(), path);
  const Json about = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!about.is_object()) return absl::InvalidArgumentError(absl::StrCat(path, ": not JSON"));
  const auto format = about.find("format");
  if (format == about.end() || !format->is_number_integer()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": \"format\" must be a number"));
  }
  if (format->get<int64_t>() > kFormat) {
    return absl::FailedPreconditionError(absl::StrCat(path, ": format ", format->get<int64_t>(),
                                                      " is newer than this program's, ", kFormat));
  }
  S2P_ASSIGN_OR_RETURN(set.name, StringField(about, "name", path));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LabelledSet> ReadLabelledSet(const std::string& folder, const std::string& split) {
  LabelledSet set;
  set.folder = folder;
  set.split = split;
  S2P_RETURN_IF_ERROR(ReadName(folder, set));
  const std::string path = absl::StrCat(folder, "/dataset.jsonl");
  auto file = TextFile::Read(path, kMaxBytes);
  if (!file.ok()) return Unreadable(file.status(), path);
  absl::string_view line;
  while (file->NextFilled(&line)) {
    const std::string where = absl::StrCat(path, ":", file->line());
    S2P_RETURN_IF_ERROR(AddLine(std::string(line), where, set));
  }
  if (set.images.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": no images in the split \"", split, "\""));
  }
  return set;
}

}  // namespace s2p

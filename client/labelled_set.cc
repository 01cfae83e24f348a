#include "client/labelled_set.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace s2p {
namespace {

using Json = nlohmann::json;

constexpr int kFormat = 1;

absl::StatusOr<std::string> ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return absl::NotFoundError(absl::StrCat(path, ": cannot be read; is this a data set folder?"));
  }
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

absl::StatusOr<std::string> StringField(const Json& line, const char* name,
                                        const std::string& where) {
  const auto field = line.find(name);
  if (field == line.end() || !field->is_string() || field->get_ref<const std::string&>().empty()) {
    return absl::InvalidArgumentError(absl::StrCat(where, ": \"", name, "\" must be text"));
  }
  return field->get<std::string>();
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
    auto field = StringField(line, name, where);
    if (!field.ok()) return field.status();
    *value = *std::move(field);
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
  auto text = ReadText(path);
  if (!text.ok()) return text.status();
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
  auto name = StringField(about, "name", path);
  if (!name.ok()) return name.status();
  set.name = *std::move(name);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LabelledSet> ReadLabelledSet(const std::string& folder, const std::string& split) {
  LabelledSet set;
  set.folder = folder;
  set.split = split;
  if (absl::Status status = ReadName(folder, set); !status.ok()) return status;
  const std::string path = absl::StrCat(folder, "/dataset.jsonl");
  auto text = ReadText(path);
  if (!text.ok()) return text.status();
  int number = 0;
  for (absl::string_view line : absl::StrSplit(*text, '\n')) {
    ++number;
    if (line.empty()) continue;
    const std::string where = absl::StrCat(path, ":", number);
    if (absl::Status status = AddLine(std::string(line), where, set); !status.ok()) return status;
  }
  if (set.images.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": no image of the split \"", split, "\""));
  }
  return set;
}

}  // namespace s2p

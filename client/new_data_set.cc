#include "client/new_data_set.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "base/picture_ending.h"
#include "base/status_macros.h"
#include "client/files.h"

namespace s2p {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::ordered_json;

Json LineOf(const std::string& name, const std::string& identity, const char* modality) {
  return {{"path", name}, {"identity", identity}, {"modality", modality}, {"split", "train"}};
}

std::string IdentityOf(const v1::Photo& photo) {
  const auto found = photo.metadata().find("identity");
  const bool is_named = found != photo.metadata().end() && !found->second.empty();
  return is_named ? found->second : photo.photo_id();
}

const char* ModalityOf(const v1::Photo& photo) {
  return photo.modality() == v1::MODALITY_SKETCH ? "sketch" : "photo";
}

}  // namespace

std::string GalleryImageName(const v1::Photo& photo, absl::string_view stem) {
  return absl::StrCat(ModalityOf(photo), "/", stem, PictureEnding(photo.content_type()));
}

std::string GalleryImageLine(const v1::Photo& photo, const std::string& name) {
  return LineOf(name, IdentityOf(photo), ModalityOf(photo)).dump() + "\n";
}

absl::StatusOr<std::unique_ptr<NewDataSet>> NewDataSet::Create(const std::string& folder) {
  std::error_code error;
  if (fs::exists(folder, error) &&
      !(fs::is_directory(folder, error) && fs::is_empty(folder, error))) {
    return absl::FailedPreconditionError(
        absl::StrCat(folder, ": is not an empty folder; name a new one"));
  }
  return absl::WrapUnique(new NewDataSet(folder));
}

NewDataSet::~NewDataSet() {
  std::error_code ignored;
  // A folder that somebody else has put something into stays.
  for (auto path = made_.rbegin(); path != made_.rend(); ++path) fs::remove(*path, ignored);
}

absl::Status NewDataSet::MakeFolder(const std::string& path) {
  std::error_code error;
  if (path.empty() || fs::exists(path, error)) return absl::OkStatus();
  S2P_RETURN_IF_ERROR(MakeFolder(fs::path(path).parent_path().string()));
  const bool made = fs::create_directory(path, error);
  if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat(path, ": create folder"));
  if (made) made_.push_back(path);
  return absl::OkStatus();
}

absl::Status NewDataSet::Write(const std::string& name, const std::string& bytes) {
  const std::string path = absl::StrCat(folder_, "/", name);
  S2P_RETURN_IF_ERROR(MakeFolder(fs::path(path).parent_path().string()));
  // Before it is written: a file that was cut short goes, too.
  made_.push_back(path);
  return WriteFile(path, bytes);
}

absl::Status NewDataSet::Link(const std::string& name, const std::string& existing) {
  const std::string path = absl::StrCat(folder_, "/", name);
  S2P_RETURN_IF_ERROR(MakeFolder(fs::path(path).parent_path().string()));
  std::error_code error;
  fs::create_hard_link(existing, path, error);
  if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat(path, ": link to ", existing));
  made_.push_back(path);
  return absl::OkStatus();
}

void NewDataSet::AddPhotoLine(const std::string& name, const std::string& identity) {
  lines_ += LineOf(name, identity, "photo").dump() + "\n";
}

void NewDataSet::AddSketchLine(const std::string& name, const std::string& identity,
                               const std::string& photo) {
  Json line = LineOf(name, identity, "sketch");
  if (!photo.empty()) line["photo"] = photo;
  lines_ += line.dump() + "\n";
}

absl::Status NewDataSet::Finish(const std::string& name, const std::string& source) {
  const Json description = {{"format", 1}, {"name", name}, {"source", source}};
  S2P_RETURN_IF_ERROR(Write("dataset.json", description.dump() + "\n"));
  S2P_RETURN_IF_ERROR(Write("dataset.jsonl", lines_));
  made_.clear();
  return absl::OkStatus();
}

}  // namespace s2p

#include "client/pair_set.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/picture_ending.h"
#include "base/status_macros.h"
#include "client/arguments.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;

std::string LineOf(const std::string& path, const std::string& identity, const char* modality) {
  const nlohmann::ordered_json line = {
      {"path", path}, {"identity", identity}, {"modality", modality}, {"split", "train"}};
  return line.dump() + "\n";
}

}  // namespace

absl::StatusOr<std::unique_ptr<PairSetWriter>> PairSetWriter::Create(const std::string& folder) {
  std::error_code error;
  if (fs::exists(folder, error) &&
      !(fs::is_directory(folder, error) && fs::is_empty(folder, error))) {
    return absl::FailedPreconditionError(
        absl::StrCat(folder, ": is not an empty folder; name a new one"));
  }
  return absl::WrapUnique(new PairSetWriter(folder));
}

PairSetWriter::~PairSetWriter() {
  std::error_code ignored;
  // A folder that somebody else has put something into stays.
  for (auto path = made_.rbegin(); path != made_.rend(); ++path) fs::remove(*path, ignored);
}

absl::Status PairSetWriter::MakeFolder(const std::string& path) {
  std::error_code error;
  if (path.empty() || fs::exists(path, error)) return absl::OkStatus();
  S2P_RETURN_IF_ERROR(MakeFolder(fs::path(path).parent_path().string()));
  const bool made = fs::create_directory(path, error);
  if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat(path, ": create folder"));
  if (made) made_.push_back(path);
  return absl::OkStatus();
}

absl::Status PairSetWriter::MakeFolders() {
  for (const char* kind : {"photo", "sketch"}) {
    S2P_RETURN_IF_ERROR(MakeFolder((fs::path(folder_) / kind).string()));
  }
  return absl::OkStatus();
}

absl::Status PairSetWriter::Write(const std::string& name, const std::string& bytes) {
  const std::string path = absl::StrCat(folder_, "/", name);
  // Before it is written: a file that was cut short goes, too.
  made_.push_back(path);
  return WriteFile(path, bytes);
}

absl::Status PairSetWriter::EndPhoto() {
  if (photo_.size() != photo_bytes_) {
    return absl::DataLossError(absl::StrCat("a photo has ", photo_.size(), " bytes instead of ",
                                            photo_bytes_, "; export again"));
  }
  photo_bytes_ = 0;
  const std::string bytes = std::exchange(photo_, ""), name = std::exchange(photo_name_, "");
  return name.empty() ? absl::OkStatus() : Write(name, bytes);
}

absl::Status PairSetWriter::Add(const v1::ExportFeedbackResponse& message) {
  if (pairs_ == 0) {
    S2P_RETURN_IF_ERROR(MakeFolders());
  }
  photo_ += message.photo_chunk();
  if (photo_.size() > photo_bytes_) return EndPhoto();
  if (!message.has_feedback()) return absl::OkStatus();
  if (message.photo_bytes() > 0) {
    S2P_RETURN_IF_ERROR(EndPhoto());
    photo_bytes_ = message.photo_bytes();
    photo_name_ =
        absl::StrFormat("photo/%06d%s", ++photos_, PictureEnding(message.photo_content_type()));
    lines_ += LineOf(photo_name_, message.identity(), "photo");
  }
  const std::string sketch = absl::StrFormat("sketch/%06d.png", ++pairs_);
  lines_ += LineOf(sketch, message.identity(), "sketch");
  return Write(sketch, message.sketch());
}

absl::Status PairSetWriter::Finish() {
  S2P_RETURN_IF_ERROR(EndPhoto());
  if (pairs_ == 0) {
    return absl::NotFoundError("there is no accepted match to export; see s2p feedback list");
  }
  const nlohmann::ordered_json description = {
      {"format", 1}, {"name", "feedback"}, {"source", "matches confirmed by people"}};
  S2P_RETURN_IF_ERROR(Write("dataset.json", description.dump() + "\n"));
  S2P_RETURN_IF_ERROR(Write("dataset.jsonl", lines_));
  made_.clear();
  return absl::OkStatus();
}

}  // namespace s2p

#include "client/pair_set.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
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

std::string EndingOf(const std::string& content_type) {
  if (content_type == "image/png") return ".png";
  return content_type == "image/webp" ? ".webp" : ".jpg";
}

}  // namespace

absl::StatusOr<PairSetWriter> PairSetWriter::Create(const std::string& folder) {
  std::error_code error;
  if (fs::exists(folder, error) &&
      !(fs::is_directory(folder, error) && fs::is_empty(folder, error))) {
    return absl::FailedPreconditionError(
        absl::StrCat(folder, ": is not an empty folder; name a new one"));
  }
  for (const char* kind : {"photo", "sketch"}) {
    fs::create_directories(fs::path(folder) / kind, error);
    if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat(folder, ": create folder"));
  }
  return PairSetWriter(folder);
}

absl::Status PairSetWriter::EndPhoto() {
  if (photo_.size() != photo_bytes_) {
    return absl::DataLossError(absl::StrCat("a photo has ", photo_.size(), " bytes instead of ",
                                            photo_bytes_, "; export again"));
  }
  photo_bytes_ = 0;
  const std::string bytes = std::exchange(photo_, ""), name = std::exchange(photo_name_, "");
  return name.empty() ? absl::OkStatus() : WriteFile(absl::StrCat(folder_, "/", name), bytes);
}

absl::Status PairSetWriter::Add(const v1::ExportFeedbackResponse& message) {
  photo_ += message.photo_chunk();
  if (photo_.size() > photo_bytes_) return EndPhoto();
  if (!message.has_feedback()) return absl::OkStatus();
  if (message.photo_bytes() > 0) {
    S2P_RETURN_IF_ERROR(EndPhoto());
    photo_bytes_ = message.photo_bytes();
    photo_name_ =
        absl::StrFormat("photo/%06d%s", ++photos_, EndingOf(message.photo_content_type()));
    lines_ += LineOf(photo_name_, message.identity(), "photo");
  }
  const std::string sketch = absl::StrFormat("sketch/%06d.png", ++pairs_);
  lines_ += LineOf(sketch, message.identity(), "sketch");
  return WriteFile(absl::StrCat(folder_, "/", sketch), message.sketch());
}

absl::Status PairSetWriter::Finish() {
  S2P_RETURN_IF_ERROR(EndPhoto());
  if (pairs_ == 0) {
    return absl::NotFoundError("there is no accepted match to export; see s2p feedback list");
  }
  const nlohmann::ordered_json description = {
      {"format", 1}, {"name", "feedback"}, {"source", "matches confirmed by people"}};
  S2P_RETURN_IF_ERROR(WriteFile(absl::StrCat(folder_, "/dataset.json"), description.dump() + "\n"));
  return WriteFile(absl::StrCat(folder_, "/dataset.jsonl"), lines_);
}

}  // namespace s2p

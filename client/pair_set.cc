#include "client/pair_set.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/picture_ending.h"
#include "base/status_macros.h"

namespace s2p {

absl::StatusOr<std::unique_ptr<PairSetWriter>> PairSetWriter::Create(const std::string& folder) {
  S2P_ASSIGN_OR_RETURN(auto data_set, NewDataSet::Create(folder));
  return absl::WrapUnique(new PairSetWriter(std::move(data_set)));
}

absl::Status PairSetWriter::EndPhoto() {
  if (photo_.size() != photo_bytes_) {
    return absl::DataLossError(absl::StrCat("a photo has ", photo_.size(), " bytes instead of ",
                                            photo_bytes_, "; export again"));
  }
  photo_bytes_ = 0;
  const std::string bytes = std::exchange(photo_, ""), name = std::exchange(photo_name_, "");
  return name.empty() ? absl::OkStatus() : data_set_->Write(name, bytes);
}

absl::Status PairSetWriter::Add(const v1::ExportFeedbackResponse& message) {
  photo_ += message.photo_chunk();
  if (photo_.size() > photo_bytes_) return EndPhoto();
  if (!message.has_feedback()) return absl::OkStatus();
  if (message.photo_bytes() > 0) {
    S2P_RETURN_IF_ERROR(EndPhoto());
    photo_bytes_ = message.photo_bytes();
    photo_name_ =
        absl::StrFormat("photo/%06d%s", ++photos_, PictureEnding(message.photo_content_type()));
    data_set_->AddPhotoLine(photo_name_, message.identity());
    shown_ = photo_name_;
  }
  const std::string sketch = absl::StrFormat("sketch/%06d.png", ++pairs_);
  data_set_->AddSketchLine(sketch, message.identity(), shown_);
  return data_set_->Write(sketch, message.sketch());
}

absl::Status PairSetWriter::Finish() {
  S2P_RETURN_IF_ERROR(EndPhoto());
  if (pairs_ == 0) {
    return absl::NotFoundError("there is no accepted match to export; see s2p feedback list");
  }
  return data_set_->Finish("feedback", "matches confirmed by people");
}

}  // namespace s2p

#include "server/rpc/export_feedback_call.h"

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "daemon/log.h"
#include "daemon/retry_after.h"
#include "s2p/v1/feedback.pb.h"
#include "server/rpc/record_feedback_call.h"
#include "server/rpc/to_proto.h"

namespace s2p {
namespace {

constexpr size_t kChunkBytes = size_t{256} << 10;
// As many as the audit log shows.
constexpr size_t kMostNamed = 100;

// Reads one entry, or one piece of its photo, at a time, when the client has taken the last one.
class ExportFeedbackCall final : public RequestCall<v1::ExportFeedbackRequest> {
 public:
  ExportFeedbackCall(const RpcMethod* method, grpc::CallbackServerContext* context,
                     const ServiceContext& service)
      : RequestCall(method, service.gate, context), service_(service) {}

 private:
  void OnRequest() override {
    if (service_.feedback == nullptr) return End(FeedbackIsOff());
    constexpr absl::Duration kRetryAfter = absl::Seconds(5);
    place_ = service_.export_places->Take(queue());
    if (!place_) {
      return End(
          BusyError(absl::StrCat("the server is busy: no place is left for another export of "
                                 "this caller (",
                                 service_.export_places->most(), " are shared by all)"),
                    kRetryAfter));
    }
    Continue();
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return End(absl::CancelledError("the client is gone"));
    Continue();
  }
  void OnEnd() override { place_.Release(); }

  void Continue() {
    const absl::Status taken = service_.storage_pool->Submit(queue(), [this](absl::Status status) {
      if (status.ok()) status = CheckWanted();
      if (!status.ok()) return End(status);
      const absl::StatusOr<bool> more = Fill();
      if (!more.ok() || !*more) return End(more.status());
      bytes_ = ToBytes(response_);
      response_.Clear();
      StartWrite(&bytes_);
    });
    if (!taken.ok()) End(taken);
  }

  // Fills the next message; false after the last.
  absl::StatusOr<bool> Fill() {
    if (photo_sent_ < photo_bytes_.size()) {
      FillPiece();
      return true;
    }
    for (;;) {
      if (at_ == page_.size()) {
        S2P_ASSIGN_OR_RETURN(page_, service_.feedback->NextMatches(after_photo_, after_place_));
        if (page_.empty()) return false;
        after_photo_ = page_.back().record.photo_id;
        after_place_ = page_.back().place;
        at_ = 0;
      }
      S2P_ASSIGN_OR_RETURN(const bool filled, FillMatch(page_[at_++].record.feedback_id));
      if (filled) return true;
    }
  }

  void FillPiece() {
    *response_.mutable_photo_chunk() = photo_bytes_.substr(photo_sent_, kChunkBytes);
    photo_sent_ += response_.photo_chunk().size();
    if (photo_sent_ < photo_bytes_.size()) return;
    photo_bytes_ = std::string();
    photo_sent_ = 0;
  }

  // False for a match that is left out: it is not exported any more, for the client may have taken
  // its time since its page was read, or its photo is damaged.
  absl::StatusOr<bool> FillMatch(const std::string& feedback_id) {
    auto match = service_.feedback->Export(feedback_id);
    if (absl::IsNotFound(match.status())) return false;
    if (!match.ok()) return match.status();
    auto sketch = service_.feedback->ReadSketch(feedback_id);
    if (absl::IsNotFound(sketch.status())) return false;
    if (!sketch.ok()) return sketch.status();
    const bool is_same_photo = photo_ != nullptr && photo_->photo_id == match->photo->photo_id &&
                               photo_->sha256 == match->photo->sha256;
    if (!is_same_photo) {
      S2P_RETURN_IF_ERROR(ReadPhoto(match->photo));
    }
    if (!lacking_.ok()) {
      LogWarning(
          "left a pair out of an export of feedback",
          {{"feedback_id", feedback_id}, {"photo_id", photo_->photo_id}, {"reason", lacking_}});
      return false;
    }
    if (!is_same_photo) response_.set_photo_bytes(photo_bytes_.size());
    *response_.mutable_feedback() = ToProto(match->record, /*photo_is_current=*/true);
    *response_.mutable_sketch() = *std::move(sketch);
    response_.set_identity(match->identity);
    response_.set_photo_content_type(match->photo->content_type);
    ++record().changes;
    if (record().changed.size() < kMostNamed) record().changed.push_back(feedback_id);
    return true;
  }

  // Reads a photo, which is not larger than photos may be, and checks it, before its first entry is
  // sent. An error, apart from those that `lacking_` keeps, ends the export.
  absl::Status ReadPhoto(std::shared_ptr<const GalleryItem> photo) {
    photo_ = std::move(photo);
    lacking_ = absl::OkStatus();
    auto bytes = service_.gallery->ReadBlob(*photo_);
    if (bytes.ok()) {
      photo_bytes_ = *std::move(bytes);
    } else if (absl::IsNotFound(bytes.status()) || absl::IsDataLoss(bytes.status())) {
      lacking_ = bytes.status();
    } else {
      return bytes.status();
    }
    return absl::OkStatus();
  }

  const ServiceContext& service_;
  CallPlaces::Place place_;
  // The message that is made next, and the one that is written.
  v1::ExportFeedbackResponse response_;
  grpc::ByteBuffer bytes_;
  // The matches that are exported now, from the one at `at_`, and the place of the last of them.
  std::vector<StoredFeedback> page_;
  size_t at_ = 0;
  std::string after_photo_;
  int64_t after_place_ = 0;
  // The photo of the last match: why it is left out, or its bytes while they are being sent.
  std::shared_ptr<const GalleryItem> photo_;
  absl::Status lacking_;
  std::string photo_bytes_;
  size_t photo_sent_ = 0;
};

}  // namespace

RpcCall* NewExportFeedbackCall(const RpcMethod* method, grpc::CallbackServerContext* context,
                               const ServiceContext& service) {
  return new ExportFeedbackCall(method, context, service);
}

}  // namespace s2p

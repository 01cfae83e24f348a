#include "server/rpc/export_feedback_call.h"

#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "daemon/retry_after.h"
#include "model/verified_file.h"
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
    place_ = service_.export_places->Take();
    if (!place_) {
      return End(BusyError(absl::StrCat("the server is busy: ", service_.export_places->most(),
                                        " exports run already"),
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
    if (file_ && file_->bytes_left() > 0) {
      auto piece = file_->Next(kChunkBytes);
      if (!piece.ok()) return service_.gallery->UnreadablePhoto(*photo_, piece.status());
      *response_.mutable_photo_chunk() = *std::move(piece);
      return true;
    }
    for (;;) {
      S2P_ASSIGN_OR_RETURN(auto match, service_.feedback->NextMatch(after_photo_, after_place_));
      if (!match.has_value()) return false;
      after_photo_ = match->record.photo_id;
      after_place_ = match->place;
      S2P_ASSIGN_OR_RETURN(const bool filled, FillMatch(*match));
      if (filled) return true;
    }
  }

  // False for a match that is to be left out: it was forgotten meanwhile, or its photo cannot be
  // read.
  absl::StatusOr<bool> FillMatch(const ExportedMatch& match) {
    auto sketch = service_.feedback->ReadSketch(match.record.feedback_id);
    if (absl::IsNotFound(sketch.status())) return false;
    if (!sketch.ok()) return sketch.status();
    const bool is_same_photo = photo_ != nullptr && photo_->photo_id == match.photo->photo_id &&
                               photo_->sha256 == match.photo->sha256;
    if (!is_same_photo) {
      auto file = service_.gallery->OpenBlob(*match.photo);
      if (!file.ok()) return false;
      file_.emplace(*std::move(file));
      photo_ = match.photo;
      response_.set_photo_bytes(match.photo->bytes);
    }
    *response_.mutable_feedback() = ToProto(match.record, /*exportable=*/true);
    *response_.mutable_sketch() = *std::move(sketch);
    response_.set_identity(match.identity);
    response_.set_photo_content_type(match.photo->content_type);
    ++record().changes;
    if (record().changed.size() < kMostNamed) {
      record().changed.push_back(match.record.feedback_id);
    }
    return true;
  }

  const ServiceContext& service_;
  CallPlaces::Place place_;
  // The message that is made next, and the one that is written.
  v1::ExportFeedbackResponse response_;
  grpc::ByteBuffer bytes_;
  // The last match.
  std::string after_photo_;
  int64_t after_place_ = 0;
  // The photo that was sent last, and what is left of it.
  std::shared_ptr<const GalleryItem> photo_;
  std::optional<VerifiedFile> file_;
};

}  // namespace

RpcCall* NewExportFeedbackCall(const RpcMethod* method, grpc::CallbackServerContext* context,
                               const ServiceContext& service) {
  return new ExportFeedbackCall(method, context, service);
}

}  // namespace s2p

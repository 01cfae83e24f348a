#include "server/rpc/record_feedback_call.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "s2p/v1/feedback.pb.h"
#include "server/rpc/feedback_request.h"
#include "server/search/query.h"
#include "server/search/request_checks.h"

namespace s2p {
namespace {

// The fields are checked on gRPC's thread; a thread of the feedback pool does the rest.
class RecordFeedbackCall final : public RequestCall<v1::RecordFeedbackRequest> {
 public:
  RecordFeedbackCall(const RpcMethod* method, grpc::CallbackServerContext* context,
                     const ServiceContext& service)
      : RequestCall(method, service.gate, context), service_(service) {}

 private:
  void OnRequest() override {
    if (service_.feedback == nullptr) return End(FeedbackIsOff());
    absl::Status status = Check();
    if (!status.ok()) return Refuse(status);
    status = service_.feedback_pool->Submit(queue(), [this](absl::Status turn) {
      if (turn.ok()) turn = CheckWanted();
      // Not refused for what it is.
      if (!turn.ok()) return End(turn);
      const absl::Status recorded = Record();
      if (!recorded.ok()) return Refuse(recorded);
      bytes_ = ToBytes(response_);
      EndWith(&bytes_);
    });
    if (!status.ok()) End(status);
  }

  absl::Status Check() {
    const Limits& limits = service_.limits;
    S2P_ASSIGN_OR_RETURN(feedback_.verdict, CheckFeedbackFields(request(), limits));
    feedback_.feedback_id = request().feedback_id();
    feedback_.photo_id = request().photo_id();
    feedback_.recorded_by = record().caller ? record().caller->name : kAnonymous;
    reason_ = FeedbackRefusal::kDrawing;
    S2P_ASSIGN_OR_RETURN(drawing_, ReadFeedbackDrawing(request(), limits));
    return absl::OkStatus();
  }

  absl::Status Record() {
    // Before the drawing costs anything.
    reason_ = FeedbackRefusal::kPhoto;
    S2P_RETURN_IF_ERROR(service_.gallery->Get(feedback_.photo_id).status());
    reason_ = FeedbackRefusal::kDrawing;
    S2P_RETURN_IF_ERROR(Draw());
    reason_ = FeedbackRefusal::kPhoto;
    S2P_ASSIGN_OR_RETURN(const auto kept, service_.feedback->Record(feedback_));
    service_.metrics->CountFeedbackRecorded(kept.is_new);
    response_.set_feedback_id(kept.record.feedback_id);
    response_.set_already_recorded(!kept.is_new);
    return absl::OkStatus();
  }

  // Makes the drawing one that is kept.
  absl::Status Draw() {
    const bool is_image = request().drawing_case() == v1::RecordFeedbackRequest::kImage;
    const char* const field = is_image ? "image" : "strokes";
    const CallLife life{deadline(), [this] { return is_cancelled(); }};
    S2P_ASSIGN_OR_RETURN(const auto memory,
                         service_.feedback_decoding.memory->Take(drawing_.decode_bytes, life));
    const auto image = is_image ? service_.feedback_decoding.decoder->Decode(
                                      request().image(), service_.limits.image, life)
                                : RasterizeStrokes(drawing_.strokes, service_.limits.strokes);
    if (absl::IsInvalidArgument(image.status())) return BadField(field, image.status().message());
    if (!image.ok()) return image.status();
    auto sketch = KeepSketch(*image);
    if (absl::IsOutOfRange(sketch.status())) return BadField(field, sketch.status().message());
    if (absl::IsInvalidArgument(sketch.status())) {
      reason_ = FeedbackRefusal::kBlank;
      return BadField(field, sketch.status().message());
    }
    if (!sketch.ok()) return sketch.status();
    feedback_.sketch = *std::move(sketch);
    return absl::OkStatus();
  }

  // Ends the call, and counts why.
  void Refuse(const absl::Status& status) {
    if (absl::IsResourceExhausted(status)) reason_ = FeedbackRefusal::kFull;
    if (absl::IsAlreadyExists(status)) reason_ = FeedbackRefusal::kRequest;
    const bool is_refusal = absl::IsInvalidArgument(status) || absl::IsNotFound(status) ||
                            absl::IsAlreadyExists(status) || absl::IsResourceExhausted(status);
    if (is_refusal) service_.metrics->CountFeedbackRefused(reason_);
    End(status);
  }

  const ServiceContext& service_;
  NewFeedback feedback_;
  FeedbackDrawing drawing_;
  // The reason for which the step that runs would refuse.
  FeedbackRefusal reason_ = FeedbackRefusal::kRequest;
  v1::RecordFeedbackResponse response_;
  grpc::ByteBuffer bytes_;
};

}  // namespace

absl::Status FeedbackIsOff() {
  return absl::FailedPreconditionError(
      "this server does not collect feedback; start it with --collect-feedback to switch it on");
}

RpcCall* NewRecordFeedbackCall(const RpcMethod* method, grpc::CallbackServerContext* context,
                               const ServiceContext& service) {
  return new RecordFeedbackCall(method, context, service);
}

}  // namespace s2p

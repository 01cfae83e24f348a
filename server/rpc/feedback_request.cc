#include "server/rpc/feedback_request.h"

#include "base/status_macros.h"
#include "image/image.h"
#include "server/search/query.h"
#include "server/search/request_checks.h"

namespace s2p {
namespace {

absl::StatusOr<Verdict> ParseVerdict(v1::Verdict verdict) {
  switch (verdict) {
    case v1::VERDICT_MATCH:
      return Verdict::kMatch;
    case v1::VERDICT_NO_MATCH:
      return Verdict::kNoMatch;
    default:
      return BadField("verdict", "needs VERDICT_MATCH or VERDICT_NO_MATCH");
  }
}

}  // namespace

absl::StatusOr<Verdict> CheckFeedbackFields(const v1::RecordFeedbackRequest& request,
                                            const Limits& limits) {
  S2P_RETURN_IF_ERROR(CheckPhotoId(request.photo_id(), "photo_id", limits));
  if (!request.feedback_id().empty()) {
    S2P_RETURN_IF_ERROR(CheckFeedbackId(request.feedback_id(), "feedback_id"));
  }
  S2P_ASSIGN_OR_RETURN(const Verdict verdict, ParseVerdict(request.verdict()));
  if (request.drawing_case() == v1::RecordFeedbackRequest::DRAWING_NOT_SET) {
    return BadField("drawing", "needs one of image and strokes");
  }
  return verdict;
}

absl::StatusOr<FeedbackDrawing> ReadFeedbackDrawing(const v1::RecordFeedbackRequest& request,
                                                    const Limits& limits) {
  FeedbackDrawing drawing;
  if (request.drawing_case() == v1::RecordFeedbackRequest::kImage) {
    const auto header = ReadImageHeader(request.image(), limits.image);
    if (!header.ok()) return BadField("image", header.status().message());
    drawing.decode_bytes = header->decode_bytes;
    return drawing;
  }
  S2P_ASSIGN_OR_RETURN(drawing.strokes, ParseStrokes(request.strokes(), "strokes", limits));
  return drawing;
}

}  // namespace s2p

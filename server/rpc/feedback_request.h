// The checks of a request to record feedback.
#ifndef S2P_SERVER_RPC_FEEDBACK_REQUEST_H_
#define S2P_SERVER_RPC_FEEDBACK_REQUEST_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "image/strokes.h"
#include "s2p/v1/feedback.pb.h"
#include "server/feedback/feedback_record.h"
#include "server/search/limits.h"

namespace s2p {

// The drawing of a request, before anything is decoded. A plain value.
struct FeedbackDrawing {
  // Empty for an image.
  Strokes strokes;
  // The memory that decoding the image takes; 0 for strokes.
  int64_t decode_bytes = 0;
};

// Checks everything but the drawing itself, and that there is one. InvalidArgument names the field.
absl::StatusOr<Verdict> CheckFeedbackFields(const v1::RecordFeedbackRequest& request,
                                            const Limits& limits);

// Reads the strokes, or the header of the image. InvalidArgument names the field. Requires
// CheckFeedbackFields.
absl::StatusOr<FeedbackDrawing> ReadFeedbackDrawing(const v1::RecordFeedbackRequest& request,
                                                    const Limits& limits);

}  // namespace s2p

#endif  // S2P_SERVER_RPC_FEEDBACK_REQUEST_H_

// Errors of the files of feedback, as the log and as a caller may know them.
#ifndef S2P_SERVER_FEEDBACK_FEEDBACK_FAULT_H_
#define S2P_SERVER_FEEDBACK_FEEDBACK_FAULT_H_

#include "absl/status/status.h"
#include "server/faults/faults.h"

namespace s2p {

// The files that feedback is kept in. Each is a subject of its own among the faults.
enum class FeedbackPart { kStore, kDataSet };

// Reports an error of a file, and returns what a caller may know of it, without paths:
// ResourceExhausted for a full disk, DataLoss for a damaged store, Internal for a folder that
// refuses writes and for all that failed otherwise. Errors of the caller (NotFound, AlreadyExists,
// ...) and OK are returned as they are.
absl::Status FeedbackFault(Faults& faults, FeedbackPart part, const absl::Status& status);

// The part has been written. Its disk is not full if it has more room than its reserve.
void FeedbackWorks(Faults& faults, FeedbackPart part, bool has_room);

}  // namespace s2p

#endif  // S2P_SERVER_FEEDBACK_FEEDBACK_FAULT_H_

// The commands of `s2p feedback`, as client/commands/commands.h has the others.
#ifndef S2P_CLIENT_COMMANDS_FEEDBACK_COMMANDS_H_
#define S2P_CLIENT_COMMANDS_FEEDBACK_COMMANDS_H_

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/connection/feedback_client.h"

namespace s2p {

struct FeedbackRecordOptions {
  // An image file.
  std::string sketch;
  std::string photo_id;
  // The photo does not show what was drawn.
  bool no_match = false;
  bool json = false;
};
// Prints the id of the entry.
absl::Status RunFeedbackRecord(const FeedbackClient& client, const FeedbackRecordOptions& options,
                               std::ostream& out);

struct FeedbackListOptions {
  // "pending", "accepted" or "rejected"; empty: all.
  std::string state;
  // The name of a key; empty: all.
  std::string recorded_by;
  // 0: all.
  uint32_t limit = 0;
  bool json = false;
};
absl::Status RunFeedbackList(const FeedbackClient& client, const FeedbackListOptions& options,
                             std::ostream& out);

struct FeedbackReviewOptions {
  std::vector<std::string> feedback_ids;
  // Exactly one of these.
  bool accept = false;
  bool reject = false;
  bool reset = false;
  bool json = false;
};
// NotFound if the server lacks one of the entries; the others are reviewed.
absl::Status RunFeedbackReview(const FeedbackClient& client, const FeedbackReviewOptions& options,
                               std::ostream& out);
// The same; the others are deleted.
absl::Status RunFeedbackForget(const FeedbackClient& client,
                               const std::vector<std::string>& feedback_ids, bool json,
                               std::ostream& out);
// Writes the accepted matches as a data set into a new folder. FailedPrecondition if it has
// content; NotFound if there is no match.
absl::Status RunFeedbackExport(const FeedbackClient& client, const std::string& folder, bool json,
                               std::ostream& out);

}  // namespace s2p

#endif  // S2P_CLIENT_COMMANDS_FEEDBACK_COMMANDS_H_

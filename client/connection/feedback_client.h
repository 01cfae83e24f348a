// The connection to the feedback of s2p-server: its RPCs as functions that return absl::Status.
#ifndef S2P_CLIENT_CONNECTION_FEEDBACK_CLIENT_H_
#define S2P_CLIENT_CONNECTION_FEEDBACK_CLIENT_H_

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/client_options.h"
#include "s2p/v1/feedback.pb.h"

namespace s2p {

// Retries and errors as SearchClient's. FailedPrecondition if the server does not collect feedback.
// Thread-safe.
class FeedbackClient {
 public:
  using ExportSink = std::function<absl::Status(const v1::ExportFeedbackResponse&)>;

  // Does not connect yet. NotFound or InvalidArgument for the TLS files.
  static absl::StatusOr<std::unique_ptr<FeedbackClient>> Create(const ClientOptions& options);
  ~FeedbackClient();

  absl::StatusOr<v1::RecordFeedbackResponse> Record(const v1::RecordFeedbackRequest& request) const;
  absl::StatusOr<v1::ListFeedbackResponse> List(const v1::ListFeedbackRequest& request) const;
  absl::StatusOr<v1::ReviewFeedbackResponse> Review(const v1::ReviewFeedbackRequest& request) const;
  absl::StatusOr<v1::DeleteFeedbackResponse> Delete(const v1::DeleteFeedbackRequest& request) const;
  // Calls `sink` for each message of the stream, until it returns an error, which this function
  // returns. Has no deadline.
  absl::Status Export(const ExportSink& sink) const;

 private:
  struct Stub;
  FeedbackClient(ClientOptions options, std::unique_ptr<Stub> stub);
  const ClientOptions options_;
  const std::unique_ptr<Stub> stub_;
};

}  // namespace s2p

#endif  // S2P_CLIENT_CONNECTION_FEEDBACK_CLIENT_H_

// The connection to the training daemon: its RPCs as functions that return absl::Status.
#ifndef S2P_CLIENT_CONNECTION_TRAINING_CLIENT_H_
#define S2P_CLIENT_CONNECTION_TRAINING_CLIENT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/client_options.h"
#include "s2p/v1/training.pb.h"

namespace s2p {

// True for a job that will not change any more.
bool JobHasEnded(v1::Job::State state);

// With `retry`, calls that fail because the daemon is busy or not up yet are retried as in
// SearchClient, but SubmitJob only if the daemon said that it is busy: a job sent over a breaking
// connection may have been accepted. Errors carry the daemon's code and message; if nothing
// answers, Unavailable names its address. Thread-safe.
class TrainingClient {
 public:
  // Called for each event in order; an error ends the watch.
  using EventSink = std::function<absl::Status(const v1::WatchJobResponse&)>;
  // Called once per broken connection, before resuming with event `from_event`.
  using BreakSink = std::function<void(const absl::Status& why, int64_t from_event)>;

  // Does not connect yet. NotFound or InvalidArgument for the TLS files.
  static absl::StatusOr<std::unique_ptr<TrainingClient>> Create(const ClientOptions& options);
  ~TrainingClient();

  absl::StatusOr<v1::SubmitJobResponse> SubmitJob(const v1::TrainingSpec& spec) const;
  absl::StatusOr<v1::GetJobResponse> GetJob(const std::string& job_id) const;
  absl::StatusOr<v1::ListJobsResponse> ListJobs(const v1::ListJobsRequest& request) const;
  absl::StatusOr<v1::CancelJobResponse> CancelJob(const std::string& job_id) const;
  absl::StatusOr<v1::RetryJobResponse> RetryJob(const std::string& job_id) const;

  // Passes on every event from `from_event` on, once each, until the job has ended, which is ok
  // even if the job failed. If there is no event yet, the first one has the job's current state. A
  // connection that breaks after the first event is resumed with the next event, if one arrives
  // within the timeout. `on_break` may be empty. NotFound if there is no such job.
  absl::Status WatchJob(const std::string& job_id, int64_t from_event, const EventSink& sink,
                        const BreakSink& on_break) const;

 private:
  struct Connection;
  TrainingClient(ClientOptions options, std::unique_ptr<Connection> connection);
  const ClientOptions options_;
  const std::unique_ptr<Connection> connection_;
};

}  // namespace s2p

#endif  // S2P_CLIENT_CONNECTION_TRAINING_CLIENT_H_

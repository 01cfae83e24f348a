// Messages between the daemon and the process of a job.
#ifndef S2P_TRAINER_JOBS_JOB_LINK_H_
#define S2P_TRAINER_JOBS_JOB_LINK_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "s2p/v1/training.pb.h"

namespace s2p {

// The kind of a message; the fields of its Job that count are in brackets.
enum class JobWord : char {
  // From the job's process: the functions of JobObserver.
  kProgress = 'p',  // [progress]
  kEpoch = 'e',     // [progress, evaluations]
  kMessage = 'm',   // [reason]
  kMemory = 'b',    // [memory_bytes]
  kStartOver = 'o',
  kWaitForRoom = 'w',  // [reason]; answered with kYes or kNo
  kVersions = 'v',     // answered with kVersions [reason: numbers with commas in between]
  // From the job's process: how its run has ended. A round is there for a job that has one.
  kSucceeded = 's',   // [published_version, reason, evaluations, learning_curve_file, rounds]
  kNotAsked = 'q',    // likewise; JobResult::kNotAsked
  kNotTrained = 't',  // likewise; JobResult::kNotTrained
  kCancelled = 'c',   // [reason]
  kDiskIsFull = 'd',  // [reason]
  kFailed = 'f',      // [reason]
  // From the daemon.
  kYes = 'y',
  kNo = 'n',
  kStop = 'x',
};

struct JobReport {
  JobWord word = JobWord::kMessage;
  v1::Job job;
};

// One end of a connected stream socket. On it a message is a byte for its word, the size of the Job
// in four bytes, the lowest first, and the Job in protobuf's binary form. Thread-compatible.
class JobLink {
 public:
  // Owns the socket.
  explicit JobLink(int socket) : socket_(socket) {}
  ~JobLink();
  JobLink(const JobLink&) = delete;
  JobLink& operator=(const JobLink&) = delete;

  // Unavailable if the other end is closed.
  absl::Status Send(JobWord word, const v1::Job& job = {});
  // The next message; nothing if none has arrived within `timeout`. OutOfRange once the other end
  // is closed; DataLoss for what is no message.
  absl::StatusOr<std::optional<JobReport>> Receive(absl::Duration timeout);

 private:
  // A whole message at the start of `received_`.
  absl::StatusOr<std::optional<JobReport>> Take();

  const int socket_;
  std::string received_;
};

}  // namespace s2p

#endif  // S2P_TRAINER_JOBS_JOB_LINK_H_

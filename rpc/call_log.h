// Which calls are worth a line in the log, and what it says.
#ifndef S2P_RPC_CALL_LOG_H_
#define S2P_RPC_CALL_LOG_H_

#include <cstdint>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "rpc/call_record.h"

namespace s2p {

struct CallLogOptions {
  // A call that takes longer is a warning, with the time of each of its stages. 0: none is.
  absl::Duration slow = absl::Seconds(1);
  // Of slow calls in one second: in an overload each is slow, and the log is none the wiser.
  int max_slow_lines = 10;
};

// Errors that are ours (INTERNAL, UNKNOWN, DATA_LOSS) are error lines; slow calls are warnings;
// each call is a debug line. Every line has the request id. Thread-safe.
class CallLog {
 public:
  explicit CallLog(const CallLogOptions& options) : options_(options) {}

  // `peer` is the client's address as gRPC names it. `now` is when the call ended.
  void Ended(const CallRecord& call, const std::string& request_id, const std::string& peer,
             const absl::Status& status, absl::Time now);

 private:
  // How many slow calls were left out since the last line; -1 if this one is left out, too.
  int64_t TakeSlowLine(absl::Time now);

  const CallLogOptions options_;
  absl::Mutex mutex_;
  // The second under way, and its lines so far.
  absl::Time second_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  int lines_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t left_out_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace s2p

#endif  // S2P_RPC_CALL_LOG_H_

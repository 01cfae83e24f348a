// The log lines about calls.
#ifndef S2P_RPC_CALL_LOG_H_
#define S2P_RPC_CALL_LOG_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/steady_time.h"
#include "daemon/log.h"
#include "rpc/caller.h"

namespace s2p {

// One call, as log and metrics show it: filled while it runs, read once when it ends. A plain
// value.
struct CallRecord {
  // The RPC's name: "Search".
  const char* method = "";
  SteadyTime start;
  // A stream lasts as long as its client likes, so it is never slow.
  bool is_stream = false;
  // More fields for the log line of a slow call; called only for that line. Null: none.
  std::function<std::vector<LogField>()> details;
  // Unset until the call is admitted.
  std::optional<Caller> caller;
  // As RequestIdOf, if it is needed before the end; empty: End makes one.
  std::string request_id;
  // The ids that a call was to change (rpc/changed_ids.h), and their number if they are not all
  // named here.
  std::vector<std::string> changed;
  int64_t changes = 0;
};

struct CallLogOptions {
  // A call that takes longer is logged as a warning with its details. 0: none is.
  absl::Duration slow = absl::Seconds(1);
  // Lines about slow calls in one second: under overload every call is slow, so logging them all
  // adds nothing.
  int max_slow_lines = 10;
};

// Errors that are ours (INTERNAL, UNKNOWN, DATA_LOSS) are error lines; slow calls are warnings;
// each call is a debug line. Every line has the request id, and the name of the key if the call was
// admitted. Thread-safe.
class CallLog {
 public:
  explicit CallLog(const CallLogOptions& options) : options_(options) {}

  // `peer` is the client's address as gRPC names it. `now` is when the call ended.
  void Ended(const CallRecord& call, const std::string& request_id, const std::string& peer,
             const absl::Status& status, SteadyTime now);

 private:
  // The number of slow calls left out since the last line; -1 if this one is left out, too.
  int64_t TakeSlowLine(SteadyTime now);

  const CallLogOptions options_;
  absl::Mutex mutex_;
  // Start of the current second, and its lines so far.
  SteadyTime second_ ABSL_GUARDED_BY(mutex_) = SteadyTime::InfinitePast();
  int lines_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t left_out_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace s2p

#endif  // S2P_RPC_CALL_LOG_H_

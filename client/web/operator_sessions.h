// The sessions of operators who have logged in.
#ifndef S2P_CLIENT_WEB_OPERATOR_SESSIONS_H_
#define S2P_CLIENT_WEB_OPERATOR_SESSIONS_H_

#include <deque>
#include <functional>
#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace s2p {

// Sessions by random token, in memory: a restart logs everyone out. A session ends 12 hours after
// it started. Accepts at most 10 wrong passwords a minute, and keeps at most 1,000 sessions (the
// oldest is dropped). Thread-safe.
class OperatorSessions {
 public:
  using Clock = std::function<absl::Time()>;

  // With an empty password nobody needs to log in, and everyone is an operator.
  explicit OperatorSessions(std::string password, Clock clock = absl::Now);

  bool login_required() const { return !password_.empty(); }

  // Returns the new session's token. Unauthenticated for a wrong password; ResourceExhausted (with
  // a retry time, daemon/retry_after.h) after too many of them.
  absl::StatusOr<std::string> Login(absl::string_view password);
  void Logout(absl::string_view token);
  // `token` is empty for a browser without one.
  bool IsOperator(absl::string_view token) const;

 private:
  const std::string password_;
  const Clock clock_;
  mutable absl::Mutex mutex_;
  // The end of each session, by token.
  std::map<std::string, absl::Time, std::less<>> sessions_ ABSL_GUARDED_BY(mutex_);
  std::deque<absl::Time> failures_ ABSL_GUARDED_BY(mutex_);
};

// Reads the password from the first line of a text file (base/text_file.h), without trailing
// blanks. NotFound or InvalidArgument names the file; FailedPrecondition if users outside its group
// can read it.
absl::StatusOr<std::string> ReadPasswordFile(const std::string& path);

}  // namespace s2p

#endif  // S2P_CLIENT_WEB_OPERATOR_SESSIONS_H_

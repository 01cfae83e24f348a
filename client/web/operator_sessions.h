// Who has logged in as operator.
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

// Sessions by random token, in memory: a restart logs everybody out. A session ends 12 hours after
// it began. At most 10 wrong passwords a minute are looked at, and 1,000 sessions kept (the oldest
// goes). Thread-safe.
class OperatorSessions {
 public:
  using Clock = std::function<absl::Time()>;

  // With an empty password nobody needs to log in, and everybody is operator.
  explicit OperatorSessions(std::string password, Clock clock = absl::Now);

  bool login_required() const { return !password_.empty(); }

  // The new session's token. Unauthenticated for a wrong password; ResourceExhausted (with a time
  // to come back, daemon/retry_after.h) after too many of them.
  absl::StatusOr<std::string> Login(absl::string_view password);
  void Logout(absl::string_view token);
  // `token` is empty for a browser without one.
  bool IsOperator(absl::string_view token) const;

 private:
  const std::string password_;
  const Clock clock_;
  mutable absl::Mutex mutex_;
  // By token, when it ends.
  std::map<std::string, absl::Time, std::less<>> sessions_ ABSL_GUARDED_BY(mutex_);
  std::deque<absl::Time> failures_ ABSL_GUARDED_BY(mutex_);
};

// The password in the first line of a text file (base/text_file.h), without blanks at its end.
// NotFound or InvalidArgument names the file; FailedPrecondition if others than its owner's group
// can read it.
absl::StatusOr<std::string> ReadPasswordFile(const std::string& path);

}  // namespace s2p

#endif  // S2P_CLIENT_WEB_OPERATOR_SESSIONS_H_

// The sessions of operators who have logged in.
#ifndef S2P_CLIENT_WEB_OPERATOR_SESSIONS_H_
#define S2P_CLIENT_WEB_OPERATOR_SESSIONS_H_

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace s2p {

// Time since an arbitrary start, which no change of the system's clock affects.
absl::Duration SteadyNow();

// Sessions by random token, in memory: a restart logs everyone out. A session ends 12 hours after
// it started, and when the password is no longer the one that started it. Accepts at most 10 wrong
// passwords a minute from one client (AddressGroup), so that nobody can lock others out, and
// remembers the 10,000 clients that were wrong last. Keeps at most 1,000 sessions (the oldest is
// dropped). Thread-safe.
class OperatorSessions {
 public:
  using Clock = std::function<absl::Duration()>;
  // The password that counts now; never null or empty. Must be thread-safe.
  using Password = std::function<std::shared_ptr<const std::string>()>;

  // With a null `password` nobody can log in here. Then everyone is an operator, unless
  // `login_elsewhere`: operators log in at a proxy.
  explicit OperatorSessions(Password password, bool login_elsewhere = false,
                            Clock clock = SteadyNow);

  bool login_required() const { return login_elsewhere_ || password_ != nullptr; }

  // Returns the new session's token. `client` is the client's address. Unauthenticated for a wrong
  // password; ResourceExhausted (with a retry time, daemon/retry_after.h) after too many of them
  // from this client, also for the right one.
  absl::StatusOr<std::string> Login(absl::string_view password, absl::string_view client);
  void Logout(absl::string_view token);
  // `token` is empty for a browser without one.
  bool IsOperator(absl::string_view token) const;

 private:
  struct Session {
    absl::Duration end;
    // The one that started it.
    std::shared_ptr<const std::string> password;
  };
  struct Client {
    std::string address;
    // When the password was wrong, oldest first.
    std::vector<absl::Duration> failures;
  };
  using Clients = std::list<Client>;

  // OK if the client may try a password now.
  absl::Status CheckClient(const std::string& client, absl::Duration now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CountFailure(const std::string& client, absl::Duration now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddSession(std::string token, Session session, absl::Duration now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Password password_;
  const bool login_elsewhere_;
  const Clock clock_;
  mutable absl::Mutex mutex_;
  // By token.
  std::map<std::string, Session, std::less<>> sessions_ ABSL_GUARDED_BY(mutex_);
  // The one whose last failure is oldest first, and the place of each.
  Clients clients_ ABSL_GUARDED_BY(mutex_);
  std::unordered_map<std::string, Clients::iterator> client_places_ ABSL_GUARDED_BY(mutex_);
};

// Reads the password from the first line of a text file (base/text_file.h), without trailing
// blanks. NotFound or InvalidArgument names the file; FailedPrecondition if users outside its group
// can read it.
absl::StatusOr<std::string> ReadPasswordFile(const std::string& path);

}  // namespace s2p

#endif  // S2P_CLIENT_WEB_OPERATOR_SESSIONS_H_

#include "client/web/operator_sessions.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/text_file.h"
#include "daemon/http/client_address.h"
#include "daemon/retry_after.h"

namespace s2p {
namespace {

constexpr absl::Duration kSessionLength = absl::Hours(12);
constexpr absl::Duration kFailureWindow = absl::Minutes(1);
constexpr size_t kMaxFailures = 10;
constexpr size_t kMaxClients = 10'000;
constexpr size_t kMaxSessions = 1000;
constexpr size_t kTokenBytes = 32;
constexpr size_t kMinPasswordBytes = 8;

// Takes the same time for an almost correct password as for any other.
bool IsSame(absl::string_view given, const std::string& password) {
  return given.size() == password.size() &&
         CRYPTO_memcmp(given.data(), password.data(), password.size()) == 0;
}

}  // namespace

absl::Duration SteadyNow() {
  return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

OperatorSessions::OperatorSessions(Password password, bool login_elsewhere, Clock clock)
    : password_(std::move(password)), login_elsewhere_(login_elsewhere), clock_(std::move(clock)) {}

absl::StatusOr<std::string> OperatorSessions::Login(absl::string_view password,
                                                    absl::string_view client) {
  if (password_ == nullptr) {
    return absl::UnauthenticatedError("there is no password here: log in at the proxy");
  }
  const std::shared_ptr<const std::string> right = password_();
  const absl::Duration now = clock_();
  unsigned char token[kTokenBytes];
  if (RAND_bytes(token, sizeof(token)) != 1) return absl::InternalError("no random numbers");
  const std::string group = AddressGroup(client);
  absl::MutexLock lock(&mutex_);
  S2P_RETURN_IF_ERROR(CheckClient(group, now));
  if (!IsSame(password, *right)) {
    CountFailure(group, now);
    return absl::UnauthenticatedError("the password is wrong");
  }
  std::string text = absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(token), sizeof(token)));
  AddSession(text, {now + kSessionLength, right}, now);
  return text;
}

absl::Status OperatorSessions::CheckClient(const std::string& client, absl::Duration now) {
  const auto place = client_places_.find(client);
  if (place == client_places_.end()) return absl::OkStatus();
  std::vector<absl::Duration>& failures = place->second->failures;
  const auto is_old = [now](absl::Duration failure) { return failure + kFailureWindow <= now; };
  failures.erase(std::remove_if(failures.begin(), failures.end(), is_old), failures.end());
  if (failures.size() < kMaxFailures) return absl::OkStatus();
  return BusyError("too many wrong passwords", failures.front() + kFailureWindow - now);
}

void OperatorSessions::CountFailure(const std::string& client, absl::Duration now) {
  auto [place, is_new] = client_places_.try_emplace(client);
  if (is_new) {
    place->second = clients_.insert(clients_.end(), Client{client, {}});
  } else {
    clients_.splice(clients_.end(), clients_, place->second);
  }
  place->second->failures.push_back(now);
  if (clients_.size() <= kMaxClients) return;
  client_places_.erase(clients_.front().address);
  clients_.pop_front();
}

void OperatorSessions::AddSession(std::string token, Session session, absl::Duration now) {
  for (auto it = sessions_.begin(); it != sessions_.end();) {
    it = it->second.end <= now ? sessions_.erase(it) : std::next(it);
  }
  if (sessions_.size() >= kMaxSessions) {
    sessions_.erase(
        std::min_element(sessions_.begin(), sessions_.end(),
                         [](const auto& a, const auto& b) { return a.second.end < b.second.end; }));
  }
  sessions_[std::move(token)] = std::move(session);
}

void OperatorSessions::Logout(absl::string_view token) {
  absl::MutexLock lock(&mutex_);
  const auto it = sessions_.find(token);
  if (it != sessions_.end()) sessions_.erase(it);
}

bool OperatorSessions::IsOperator(absl::string_view token) const {
  if (!login_required()) return true;
  // Null if operators only log in elsewhere; then there is no session.
  const auto password = password_ == nullptr ? nullptr : password_();
  absl::MutexLock lock(&mutex_);
  const auto it = sessions_.find(token);
  if (it == sessions_.end() || clock_() >= it->second.end) return false;
  return it->second.password == password || *it->second.password == *password;
}

absl::StatusOr<std::string> ReadPasswordFile(const std::string& path) {
  S2P_ASSIGN_OR_RETURN(auto file, TextFile::Read(path));
  absl::string_view line;
  std::string password;
  // Trailing blanks come from an editor rather than from the password.
  if (file.Next(&line)) password = std::string(absl::StripTrailingAsciiWhitespace(line));
  struct stat status = {};
  if (stat(path.c_str(), &status) == 0 && (status.st_mode & S_IROTH) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": everyone on this machine can read it; run chmod o-r on it"));
  }
  if (password.size() < kMinPasswordBytes) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": the first line must be a password of ",
                                                   kMinPasswordBytes, " characters or more"));
  }
  return password;
}

}  // namespace s2p

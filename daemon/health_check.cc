#include "daemon/health_check.h"

#include <httplib.h>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "daemon/listen_address.h"

namespace s2p {
namespace {

constexpr int kPatienceSeconds = 5;

// The host to connect to; loopback for a program that listens on every interface.
std::string Reachable(const std::string& host) {
  if (host == "0.0.0.0") return "127.0.0.1";
  return host == "::" ? "::1" : host;
}

}  // namespace

absl::Status CheckHealth(const std::string& http_address) {
  S2P_ASSIGN_OR_RETURN(const auto address, ParseListenAddress(http_address));
  if (address.port == 0) {
    return absl::InvalidArgumentError(absl::StrCat("http: ", http_address, " has no port to ask"));
  }
  httplib::Client client(Reachable(address.host), address.port);
  client.set_connection_timeout(kPatienceSeconds);
  client.set_read_timeout(kPatienceSeconds);
  const auto answer = client.Get("/healthz");
  if (!answer) {
    return absl::UnavailableError(absl::StrCat("nothing answers at http://", http_address,
                                               "/healthz: ", httplib::to_string(answer.error())));
  }
  if (answer->status != 200) {
    return absl::UnavailableError(
        absl::StrCat("http://", http_address, "/healthz answers ", answer->status));
  }
  return absl::OkStatus();
}

}  // namespace s2p

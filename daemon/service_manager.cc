#include "daemon/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace s2p {
namespace {

absl::Status Undelivered(absl::string_view socket_name, int error) {
  return absl::UnavailableError(
      absl::StrCat("NOTIFY_SOCKET: ", socket_name, ": ", std::strerror(error)));
}

}  // namespace

absl::Status NotifyServiceManager(absl::string_view state) {
  const char* variable = std::getenv("NOTIFY_SOCKET");
  if (variable == nullptr || *variable == '\0') return absl::OkStatus();
  const absl::string_view name = variable;
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if ((name[0] != '/' && name[0] != '@') || name.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("NOTIFY_SOCKET: ", name, " is no socket"));
  }
  std::memcpy(address.sun_path, name.data(), name.size());
  // An abstract name begins with a zero byte, and its length ends it.
  if (name[0] == '@') address.sun_path[0] = '\0';
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());

  const int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return Undelivered(name, errno);
  ssize_t sent;
  do {
    sent = sendto(descriptor, state.data(), state.size(), MSG_NOSIGNAL,
                  reinterpret_cast<const sockaddr*>(&address), length);
  } while (sent < 0 && errno == EINTR);
  const int error = errno;
  close(descriptor);
  return sent < 0 ? Undelivered(name, error) : absl::OkStatus();
}

}  // namespace s2p

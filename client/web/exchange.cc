#include "client/web/exchange.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <httplib.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstdlib>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace s2p {
namespace {

// Port of one end of a TCP connection, found with getpeername or getsockname; 0 if `fd` is not a
// connection.
int PortOf(int fd, int (*name_end)(int, sockaddr*, socklen_t*)) {
  sockaddr_storage end = {};
  socklen_t length = sizeof(end);
  if (name_end(fd, reinterpret_cast<sockaddr*>(&end), &length) != 0) return 0;
  if (end.ss_family == AF_INET) return ntohs(reinterpret_cast<sockaddr_in*>(&end)->sin_port);
  if (end.ss_family == AF_INET6) return ntohs(reinterpret_cast<sockaddr_in6*>(&end)->sin6_port);
  return 0;
}

// The connection of a request; -1 if it cannot be determined. cpp-httplib of Debian 12 exposes the
// ports of a request, but not its socket.
int SocketOf(const httplib::Request& request) {
  DIR* const folder = opendir("/proc/self/fd");
  if (folder == nullptr) return -1;
  int found = -1;
  while (const dirent* const entry = readdir(folder)) {
    const int fd = std::atoi(entry->d_name);
    if (fd <= 2 || PortOf(fd, &getpeername) != request.remote_port ||
        PortOf(fd, &getsockname) != request.local_port) {
      continue;
    }
    // Two clients on different machines can have the same port; then neither is watched.
    if (found >= 0) {
      found = -1;
      break;
    }
    found = fd;
  }
  closedir(folder);
  return found;
}

}  // namespace

std::string Parameter(const Exchange& exchange, const std::string& name) {
  return exchange.request.get_param_value(name);
}

void SetHeader(Exchange& exchange, const std::string& name, const std::string& value) {
  exchange.response.headers.erase(name);
  exchange.response.set_header(name, value);
}

void Answer(Exchange& exchange, std::string body, const std::string& content_type) {
  exchange.response.status = 200;
  exchange.response.set_content(std::move(body), content_type);
}

void AnswerNothing(Exchange& exchange) { exchange.response.status = 204; }

bool AnswerUnchanged(Exchange& exchange, const std::string& etag) {
  const std::string quoted = absl::StrCat("\"", etag, "\"");
  SetHeader(exchange, "ETag", quoted);
  for (absl::string_view tag :
       absl::StrSplit(exchange.request.get_header_value("If-None-Match"), ',')) {
    tag = absl::StripAsciiWhitespace(tag);
    // A compressing proxy makes the tag weak.
    absl::ConsumePrefix(&tag, "W/");
    if (tag != quoted && tag != "*") continue;
    exchange.response.status = 304;
    return true;
  }
  return false;
}

std::function<bool()> ClientGone(const httplib::Request& request) {
  const int fd = SocketOf(request);
  if (fd < 0) return [] { return false; };
  return [fd] {
    pollfd watched = {fd, POLLRDHUP, 0};
    return poll(&watched, 1, 0) > 0 && (watched.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
  };
}

}  // namespace s2p

// A client that sends exactly the given bytes, for servers of HTTP.
#ifndef S2P_TESTS_DAEMON_HTTP_RAW_CLIENT_H_
#define S2P_TESTS_DAEMON_HTTP_RAW_CLIENT_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace s2p {
namespace test {

// One connection to a port of loopback. One thread only.
class RawClient {
 public:
  // `from` is this end's address; 127.0.0.2 and the like are this machine's, too.
  explicit RawClient(int port, const char* from = "127.0.0.1")
      : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    inet_pton(AF_INET, from, &address.sin_addr);
    bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address));
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    is_connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~RawClient() { close(fd_); }
  RawClient(RawClient&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), is_connected_(other.is_connected_) {}
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  int fd() const { return fd_; }
  bool is_connected() const { return is_connected_; }

  // False once the server has closed the connection.
  bool Send(absl::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  // Whether there is something to read, or the end.
  bool HasAnswer() const {
    pollfd watched = {fd_, POLLIN, 0};
    return poll(&watched, 1, 0) > 0;
  }
  void EndSending() { shutdown(fd_, SHUT_WR); }

  // Everything until the server ends the connection.
  std::string ReadAll() {
    std::string all;
    while (ReadSome(&all)) {
    }
    return all;
  }
  // Until the bytes end with `end`, or the connection ends.
  std::string ReadUntil(absl::string_view end) {
    std::string all;
    while (!absl::EndsWith(all, end) && ReadSome(&all)) {
    }
    return all;
  }

 private:
  bool ReadSome(std::string* all) {
    char buffer[4096];
    const ssize_t count = recv(fd_, buffer, sizeof(buffer), 0);
    if (count <= 0) return false;
    all->append(buffer, static_cast<size_t>(count));
    return true;
  }

  int fd_;
  bool is_connected_ = false;
};

}  // namespace test
}  // namespace s2p

#endif  // S2P_TESTS_DAEMON_HTTP_RAW_CLIENT_H_

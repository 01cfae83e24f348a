// Requests and responses of HTTP as values of ours.
#ifndef S2P_DAEMON_HTTP_HTTP_MESSAGE_H_
#define S2P_DAEMON_HTTP_HTTP_MESSAGE_H_

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace s2p {

// Names and values, in order of arrival.
using HttpFields = std::vector<std::pair<std::string, std::string>>;

// One request. Thread-compatible.
struct HttpRequest {
  // "GET"; upper case as sent.
  std::string method;
  // The target as sent.
  std::string target;
  // The target's path, decoded.
  std::string path;
  // The parameters of the target's query, decoded as of a form: "+" is a space, and a damaged
  // escape stands for itself.
  HttpFields parameters;
  HttpFields headers;
  // Empty until the whole body has been read. Not compressed, whatever the client sent.
  std::string body;
  // The number of the machine that connected, "192.0.2.7" or "2001:db8::1": a proxy's if there is
  // one.
  std::string remote_address;
  bool over_tls = false;
  // When the head had arrived.
  std::chrono::steady_clock::time_point arrived;
  // Becomes true when the client disconnects, or closes its writing half as a browser does when it
  // aborts. Never null in a request that a server passes on.
  std::shared_ptr<const std::atomic<bool>> gone;

  // Sets target, path and parameters.
  void SetTarget(absl::string_view sent);
  // The first header of this name, in any case; empty if there is none. Valid as long as `headers`.
  absl::string_view Header(absl::string_view name) const;
  bool HasHeader(absl::string_view name) const { return CountHeaders(name) > 0; }
  size_t CountHeaders(absl::string_view name) const;
  // The first parameter of this name; empty if there is none.
  absl::string_view Parameter(absl::string_view name) const;
  bool client_gone() const { return gone != nullptr && *gone; }
};

// A body that is sent piece by piece while it is made. Lives until its end was read, or it was
// cancelled, and the callback of a pending Read has returned. Thread-compatible, except for Cancel.
class HttpBodySource : public std::enable_shared_from_this<HttpBodySource> {
 public:
  // The next piece, which may be empty; nothing at the end; an error breaks the connection, so that
  // nobody takes the part for the whole.
  using Piece = absl::StatusOr<std::optional<std::string>>;

  virtual ~HttpBodySource() = default;
  // Asks for the next piece, which `done` gets once: from any thread, also before Read returns.
  // Must not block. Called again only after `done` was, and only while the client takes the pieces:
  // a slow client holds one piece.
  virtual void Read(std::function<void(Piece)> done) = 0;
  // The client has gone, or the server stops: a pending Read ends soon. May be called at any time
  // and more than once. Must not block. Thread-safe.
  virtual void Cancel() = 0;
};

// One response. A plain value. The server adds Content-Length, Transfer-Encoding, Connection and
// Date.
struct HttpResponse {
  int status = 200;
  HttpFields headers;
  std::string body;
  // If set, the body, in place of `body`.
  std::shared_ptr<HttpBodySource> source;

  // Replaces all headers of this name.
  void SetHeader(absl::string_view name, absl::string_view value);
  void AddHeader(absl::string_view name, absl::string_view value);
  // The first header of this name; empty if there is none.
  absl::string_view Header(absl::string_view name) const;
  void SetBody(std::string bytes, absl::string_view content_type);
};

}  // namespace s2p

#endif  // S2P_DAEMON_HTTP_HTTP_MESSAGE_H_

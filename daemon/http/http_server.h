// An HTTP/1.1 server that strangers may connect to.
#ifndef S2P_DAEMON_HTTP_HTTP_SERVER_H_
#define S2P_DAEMON_HTTP_HTTP_SERVER_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "daemon/http/http_head_scanner.h"
#include "daemon/http/http_message.h"
#include "daemon/http/tls_files.h"
#include "daemon/listen_address.h"
#include "daemon/reload_report.h"

namespace s2p {

// Every limit holds for each server. A plain value.
struct HttpServerOptions {
  // HOST:PORT; port 0 picks a free one.
  std::string listen = "127.0.0.1:0";
  HttpTlsOptions tls;
  // The least time between two looks at the TLS files, which are read again when they change.
  std::chrono::steady_clock::duration tls_reload_interval = std::chrono::seconds(1);
  // Counts each attempt to read them again, as "http_tls". Null: not counted.
  ReloadCounter count_reload;

  // Threads that run HttpHandler::Answer, 1 to 1024, and requests that may wait for one. Callers
  // with less than their share of both may have as many again in all (FairPlaces), and one caller
  // (HttpAdmission::caller) occupies at most half of the threads, so that it keeps nobody out.
  int threads = 4;
  int max_waiting = 64;

  // Open connections. If there are more, the one that has been without a complete head for longest
  // is closed, or else the one whose body has been arriving for longest, so that idle clients
  // cannot keep others out.
  int max_connections = 1024;
  // The same for the connections of one address (AddressGroup); a further one is closed at once.
  int max_connections_per_address = 256;
  // Addresses without that limit: proxies, whose connections are other people's. Must be
  // thread-safe.
  std::function<bool(absl::string_view)> is_proxy = [](absl::string_view) { return false; };

  HttpHeadLimits head;
  // From the connection, or the first byte of a later request on it, to the end of the head; with
  // TLS the handshake is part of it. One deadline for all of it, so dripping bytes does not help.
  absl::Duration head_deadline = absl::Seconds(10);
  // For a further request on the same connection to begin.
  absl::Duration idle_deadline = absl::Seconds(60);
  // A whole body has `transfer_deadline` and the time that it takes at `min_bytes_per_second` to
  // arrive; the same for a response, or one piece of a streamed one, to leave.
  absl::Duration transfer_deadline = absl::Seconds(20);
  uint64_t min_bytes_per_second = 16 << 10;
  // Bodies of all requests and responses in memory at one time, as far as they have arrived and
  // have not left. Responses of at most 16 KiB do not count, so that a probe is always answered.
  uint64_t body_budget_bytes = uint64_t{128} << 20;
  // The part of it for the connections of one address (AddressGroup), so that a client whose bodies
  // never end cannot keep others out. Proxies have all of it.
  uint64_t body_bytes_per_address = uint64_t{64} << 20;
  // For the answers in progress when the server stops.
  absl::Duration stop_deadline = absl::Seconds(10);
};

// The handler's decision about a request by its head. A plain value.
struct HttpAdmission {
  // If set, the answer; the body, if there is one, is not read.
  std::optional<HttpResponse> answer;
  // Otherwise, the largest body that is read before Answer.
  uint64_t max_body_bytes = 0;
  // The caller who asks; callers take turns at the threads. Empty: nobody in particular, who may
  // have all.
  std::string caller;
};

// Answers requests. Called by several threads at once.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;

  // Decides by the head alone, on the network's thread: must not block. What is answered here is
  // answered even if all threads are busy.
  virtual HttpAdmission Admit(const HttpRequest& request) = 0;

  // Answers an admitted request, with its whole body, on one of the threads.
  virtual HttpResponse Answer(HttpRequest& request) = 0;

  // Words the refusal of a request by the server itself: 400 for one that is not HTTP, 408, 413,
  // 414, 415, 431, 500 if Answer threw, 501, or 503 if it has no room for the request or for the
  // finished answer. The request holds what is known of it; `message` is a sentence without a full
  // stop. Must not block.
  virtual HttpResponse Refuse(const HttpRequest& request, int status,
                              absl::string_view message) = 0;

  // Called once for each request that is answered, on the network's thread, when the status is
  // final and before the answer is sent; with 499 for one whose client disconnected before its
  // whole body had arrived. Must not block.
  virtual void Record(const HttpRequest& request, int status) = 0;
};

// One thread does all input and output, so a slow or idle client costs a socket and a small buffer.
// Reads the body only of admitted requests. Compresses text for clients that take gzip. Keeps
// connections open between requests, unless a request was refused or its body not read; such
// connections never carry another request.
//
// Runs from Start to Stop or destruction. Thread-safe.
class HttpServer {
 public:
  // `handler` is borrowed until Stop returns. InvalidArgument names a bad option; Unavailable names
  // an address that cannot be bound: it is taken (ports are never shared between servers), or not
  // this machine's. TLS errors are those of WatchTlsFiles.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(HttpServerOptions options,
                                                           HttpHandler* handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // As bound, also if port 0 was requested.
  const ListenAddress& address() const;
  // Open connections.
  int connections() const;
  // Bytes of bodies in memory.
  uint64_t body_bytes() const;

  // Closes the port, ends streamed bodies, and waits for Answer and, within the deadline, for its
  // responses to leave. Idempotent.
  void Stop();

 private:
  struct Impl;
  explicit HttpServer(std::shared_ptr<Impl> impl);
  const std::shared_ptr<Impl> impl_;
};

}  // namespace s2p

#endif  // S2P_DAEMON_HTTP_HTTP_SERVER_H_

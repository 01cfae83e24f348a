// One connection of HttpServer. Only daemon/http includes this header.
#ifndef S2P_DAEMON_HTTP_HTTP_CONNECTION_H_
#define S2P_DAEMON_HTTP_HTTP_CONNECTION_H_

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "daemon/http/http_head_scanner.h"
#include "daemon/http/http_server.h"
#include "daemon/http/http_wire.h"
#include "daemon/http/memory_limit.h"

namespace s2p {

// Reads requests one after the other, and answers each before it looks at the next. Lives as long
// as something is in progress on it. On the network's thread only.
class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  // A connection can wait for its client to send something. Without a head, or with everything
  // said, it can be closed at little loss; in the middle of a body only if there is no other to
  // close.
  enum class Wait { kNothing, kHead, kBody };

  // The part of the server that its connections use, and that outlives them.
  class Host {
   public:
    virtual ~Host() = default;
    virtual const HttpServerOptions& options() const = 0;
    virtual HttpHandler& handler() = 0;
    virtual bool stopping() const = 0;
    // Runs `work` on one of the threads when it is the caller's turn (HttpAdmission::caller). False
    // if there is no room for the caller.
    virtual bool Submit(const std::string& caller, std::function<void()> work) = 0;
    // Runs `work` on the network's thread. Thread-safe.
    virtual void Post(std::function<void()> work) = 0;
    // For callbacks that may come when the server has gone.
    virtual std::weak_ptr<Host> self() = 0;
    // The connection begins to wait for its client, or ceases to.
    virtual void SetWaiting(HttpConnection& connection, Wait wait) = 0;
    virtual void Closed(HttpConnection& connection) = 0;
  };

  // `memory` is the limit of what its bodies hold.
  HttpConnection(Host& host, boost::asio::io_context& io, std::unique_ptr<HttpWire> wire,
                 std::string remote_address, std::shared_ptr<MemoryLimit> memory);

  void Start();
  // The server stops: closes now, unless an answer is being made or sent.
  void EndSoon();
  void Close(bool abruptly = false);
  const std::string& remote_address() const { return remote_address_; }

 private:
  enum class State {
    kHandshake,
    kHead,
    kBody,
    kAnswering,
    kWriting,
    kStreaming,
    kDiscarding,
    kClosed,
  };
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;

  void SetDeadline(absl::Duration after);
  void CancelDeadline();
  void OnDeadline();
  absl::Duration TransferTime(uint64_t bytes) const;

  void StartRead(size_t bytes);
  void WatchForEnd();
  void OnRead(const boost::system::error_code& error, size_t bytes);
  void OnEnd();

  void BeginHead();
  void AdvanceHead();
  void OnHead();
  // Fills in the request. An error is the refusal of a head that is not plain.
  absl::Status ReadHead();
  bool HasBody() const;
  // Reads the body, if there is one, or answers.
  void OnAdmitted();
  void BeginBody();
  void AdvanceBody();
  // False if the request has been refused.
  bool TakeBodyBytes();
  void Dispatch();
  // On one of the threads.
  HttpResponse MakeAnswer();

  void Refuse(int status, absl::string_view message);
  void Send(HttpResponse response);
  std::string HeadText() const;
  void OnHeadSent();
  void ReadPiece();
  void OnPiece(HttpBodySource::Piece piece);
  void OnPieceSent(bool was_last);
  void EndResponse();
  void Finish();
  void Write(std::vector<boost::asio::const_buffer> buffers, uint64_t bytes,
             std::function<void()> done);

  Host& host_;
  const std::unique_ptr<HttpWire> wire_;
  const std::string remote_address_;
  boost::asio::steady_timer deadline_;
  // Tells a deadline that was replaced from the current one.
  uint64_t deadline_number_ = 0;
  State state_ = State::kHandshake;
  // The bytes being read, and those that were read but not used yet.
  std::string incoming_;
  std::string buffer_;
  bool reading_ = false;
  bool at_end_ = false;
  uint64_t discarded_bytes_ = 0;
  int requests_ = 0;

  // The current request.
  std::optional<HttpHeadScanner> scanner_;
  std::optional<Parser> parser_;
  std::shared_ptr<HttpRequest> request_;
  std::shared_ptr<std::atomic<bool>> gone_;
  HttpAdmission admission_;
  const std::shared_ptr<MemoryLimit> memory_;
  MemoryLimit::Share share_;
  bool keep_alive_ = false;
  bool input_left_ = false;
  bool chunked_answer_ = false;
  HttpResponse response_;
  // The bytes that are being written.
  std::string head_;
  std::string piece_;
};

}  // namespace s2p

#endif  // S2P_DAEMON_HTTP_HTTP_CONNECTION_H_

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "base/check.h"
#include "daemon/http/gzip.h"
#include "daemon/http/http_connection.h"
#include "tests/fuzz/targets.h"

namespace s2p::fuzz {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr uint64_t kMostBodyBytes = 4096;
constexpr uint64_t kMemoryBytes = 64 << 10;

// A client that has sent all of its bytes already, and takes what it is sent.
class ScriptedWire : public HttpWire {
 public:
  ScriptedWire(asio::io_context& io, absl::string_view bytes, size_t portion, std::string* sent)
      : io_(io), socket_(io), bytes_(bytes), portion_(portion), sent_(*sent) {}

  void Handshake(std::function<void(error_code)> done) override {
    asio::post(io_, [done = std::move(done)] { done(error_code()); });
  }
  void Read(asio::mutable_buffer buffer, Done done) override {
    const size_t count = std::min({buffer.size(), portion_, bytes_.size()});
    std::copy_n(bytes_.data(), count, static_cast<char*>(buffer.data()));
    bytes_.remove_prefix(count);
    const error_code result = count == 0 ? error_code(asio::error::eof) : error_code();
    asio::post(io_, [done = std::move(done), result, count] { done(result, count); });
  }
  void Write(std::vector<asio::const_buffer> buffers, Done done) override {
    size_t count = 0;
    for (const asio::const_buffer& buffer : buffers) {
      sent_.append(static_cast<const char*>(buffer.data()), buffer.size());
      count += buffer.size();
    }
    asio::post(io_, [done = std::move(done), count] { done(error_code(), count); });
  }
  void EndSending(std::function<void()> done) override { asio::post(io_, std::move(done)); }
  bool is_tls() const override { return false; }

 protected:
  Socket& socket() override { return socket_; }

 private:
  asio::io_context& io_;
  Socket socket_;
  absl::string_view bytes_;
  const size_t portion_;
  std::string& sent_;
};

// Sends bodies back, and checks what it is given.
class EchoHandler : public HttpHandler {
 public:
  explicit EchoHandler(HttpHeadLimits limits) : limits_(limits) {}

  HttpAdmission Admit(const HttpRequest& request) override {
    S2P_CHECK(request.target.size() <= limits_.max_target_bytes);
    S2P_CHECK(request.headers.size() <= limits_.max_headers);
    S2P_CHECK(request.CountHeaders("Host") <= 1);
    S2P_CHECK(request.CountHeaders("Content-Length") + request.CountHeaders("Transfer-Encoding") <=
              1);
    for (const auto& [name, value] : request.headers) {
      S2P_CHECK(!name.empty());
      S2P_CHECK(value.find_first_of(std::string("\r\n\0", 3)) == std::string::npos);
    }
    HttpAdmission admission;
    admission.max_body_bytes = kMostBodyBytes;
    if (request.path == "/known") admission.answer = Plain(200, "known");
    return admission;
  }
  HttpResponse Answer(HttpRequest& request) override {
    S2P_CHECK(request.body.size() <= kMostBodyBytes);
    return Plain(200, request.body);
  }
  HttpResponse Refuse(const HttpRequest&, int status, absl::string_view message) override {
    S2P_CHECK(status >= 400 && status <= 599 && !message.empty());
    return Plain(status, std::string(message));
  }
  void Record(const HttpRequest&, int status) override { S2P_CHECK(status >= 200); }

 private:
  static HttpResponse Plain(int status, std::string text) {
    HttpResponse response;
    response.status = status;
    response.SetBody(std::move(text), "text/plain");
    return response;
  }

  const HttpHeadLimits limits_;
};

// A server with this connection alone, whose threads are the network's.
class OneConnection : public HttpConnection::Host,
                      public std::enable_shared_from_this<OneConnection> {
 public:
  explicit OneConnection(asio::io_context* io) : io_(*io) {}

  const HttpServerOptions& options() const override { return options_; }
  HttpHandler& handler() override { return handler_; }
  bool stopping() const override { return false; }
  bool Submit(const std::string&, std::function<void()> work) override {
    asio::post(io_, std::move(work));
    return true;
  }
  void Post(std::function<void()> work) override { asio::post(io_, std::move(work)); }
  std::weak_ptr<Host> self() override { return weak_from_this(); }
  void SetWaiting(HttpConnection&, HttpConnection::Wait) override {}
  void Closed(HttpConnection&) override {}

 private:
  asio::io_context& io_;
  const HttpServerOptions options_;
  EchoHandler handler_{options_.head};
};

// Runs all that can run now; deadlines stay.
void RunReady(asio::io_context& io) {
  io.restart();
  while (io.poll() > 0) io.restart();
}

}  // namespace

void Gzip(absl::string_view bytes) {
  const auto has_room = [](size_t wanted) { return wanted <= kMemoryBytes; };
  const auto plain = Gunzip(bytes, has_room);
  if (!plain.ok()) return;
  S2P_CHECK(plain->size() <= kMemoryBytes);
  const auto again = Gunzip(s2p::Gzip(*plain), has_room);
  S2P_CHECK(again.ok() && *again == *plain);
}

void Http(absl::string_view bytes) {
  if (bytes.empty()) return;
  const size_t portion = 1 + size_t{16} * static_cast<unsigned char>(bytes[0]);
  asio::io_context io;
  const auto host = std::make_shared<OneConnection>(&io);
  const auto memory = std::make_shared<MemoryLimit>(kMemoryBytes);
  std::string sent;
  {
    const auto connection = std::make_shared<HttpConnection>(
        *host, io, std::make_unique<ScriptedWire>(io, bytes.substr(1), portion, &sent), "192.0.2.1",
        memory);
    connection->Start();
    RunReady(io);
    connection->Close();
  }
  RunReady(io);
  S2P_CHECK(memory->used() == 0);
  S2P_CHECK(sent.empty() || absl::StartsWith(sent, "HTTP/1.1 "));
}

}  // namespace s2p::fuzz

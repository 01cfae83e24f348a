#include "daemon/http/http_wire.h"

#include <openssl/ssl.h>

#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <utility>

namespace s2p {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

class PlainWire : public HttpWire {
 public:
  explicit PlainWire(Socket socket) : socket_(std::move(socket)) {}

  void Handshake(std::function<void(error_code)> done) override {
    asio::post(socket_.get_executor(), [done = std::move(done)] { done(error_code()); });
  }
  void Read(asio::mutable_buffer buffer, Done done) override {
    socket_.async_read_some(buffer, std::move(done));
  }
  void Write(std::vector<asio::const_buffer> buffers, Done done) override {
    asio::async_write(socket_, std::move(buffers), std::move(done));
  }
  void EndSending(std::function<void()> done) override {
    error_code ignored;
    socket_.shutdown(Socket::shutdown_send, ignored);
    asio::post(socket_.get_executor(), std::move(done));
  }
  bool is_tls() const override { return false; }

 protected:
  Socket& socket() override { return socket_; }

 private:
  Socket socket_;
};

class TlsWire : public HttpWire {
 public:
  TlsWire(Socket socket, SSL_CTX* context, Role role)
      : context_(Referenced(context)), stream_(std::move(socket), context_), role_(role) {}

  void Handshake(std::function<void(error_code)> done) override {
    stream_.async_handshake(
        role_ == Role::kServer ? asio::ssl::stream_base::server : asio::ssl::stream_base::client,
        std::move(done));
  }
  void Read(asio::mutable_buffer buffer, Done done) override {
    stream_.async_read_some(buffer, std::move(done));
  }
  void Write(std::vector<asio::const_buffer> buffers, Done done) override {
    asio::async_write(stream_, std::move(buffers), std::move(done));
  }
  void EndSending(std::function<void()> done) override {
    stream_.async_shutdown([done = std::move(done)](error_code) { done(); });
  }
  bool is_tls() const override { return true; }

 protected:
  Socket& socket() override { return stream_.next_layer(); }

 private:
  // The library's context frees what it is given.
  static SSL_CTX* Referenced(SSL_CTX* context) {
    SSL_CTX_up_ref(context);
    return context;
  }

  asio::ssl::context context_;
  asio::ssl::stream<Socket> stream_;
  const Role role_;
};

}  // namespace

std::unique_ptr<HttpWire> HttpWire::Make(Socket socket, const std::shared_ptr<ssl_ctx_st>& context,
                                         Role role) {
  if (context == nullptr) return std::make_unique<PlainWire>(std::move(socket));
  return std::make_unique<TlsWire>(std::move(socket), context.get(), role);
}

void HttpWire::Close(bool abruptly) {
  error_code ignored;
  if (abruptly) socket().set_option(asio::socket_base::linger(true, 0), ignored);
  socket().close(ignored);
}

}  // namespace s2p

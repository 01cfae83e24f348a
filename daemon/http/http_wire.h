// One accepted connection as a stream of bytes, plain or over TLS. Only daemon/http and
// daemon/health_check.cc include this header: it has the types of Boost.Asio.
#ifndef S2P_DAEMON_HTTP_HTTP_WIRE_H_
#define S2P_DAEMON_HTTP_HTTP_WIRE_H_

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>
#include <functional>
#include <memory>
#include <vector>

struct ssl_ctx_st;  // OpenSSL's SSL_CTX

namespace s2p {

// One read and one write may be in progress at a time. Callbacks run on the socket's io_context,
// never inside the call; after Close they get an error. One thread only.
class HttpWire {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  using Done = std::function<void(boost::system::error_code, size_t)>;
  enum class Role { kServer, kClient };

  // Without `context` the bytes travel in plain.
  static std::unique_ptr<HttpWire> Make(Socket socket, const std::shared_ptr<ssl_ctx_st>& context,
                                        Role role);
  virtual ~HttpWire() = default;

  // Before anything else; does nothing in plain.
  virtual void Handshake(std::function<void(boost::system::error_code)> done) = 0;
  // Some bytes; an error at the end.
  virtual void Read(boost::asio::mutable_buffer buffer, Done done) = 0;
  // All bytes, which the caller keeps until then.
  virtual void Write(std::vector<boost::asio::const_buffer> buffers, Done done) = 0;
  // Tells the other end that no more bytes follow, while it may still send: at once in plain, and
  // over TLS when nothing more is expected from it, after which `done` is called.
  virtual void EndSending(std::function<void()> done) = 0;
  virtual bool is_tls() const = 0;
  // `abruptly` makes the other end see a broken connection.
  void Close(bool abruptly = false);

 protected:
  virtual Socket& socket() = 0;
};

}  // namespace s2p

#endif  // S2P_DAEMON_HTTP_HTTP_WIRE_H_

#include "daemon/health_check.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/error.hpp>
#include <chrono>
#include <functional>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "daemon/http/http_wire.h"
#include "daemon/listen_address.h"

namespace s2p {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::seconds kPatience(5);
// "HTTP/1.1 200" and what follows it.
constexpr size_t kStatusLineBytes = 13;

// The host to connect to; loopback for a program that listens on every interface.
std::string Reachable(const std::string& host) {
  if (host == "0.0.0.0") return "127.0.0.1";
  return host == "::" ? "::1" : host;
}

// One question to another process, in one go. One thread only.
class Probe {
 public:
  explicit Probe(bool over_tls)
      : context_(over_tls ? SSL_CTX_new(TLS_client_method()) : nullptr, &SSL_CTX_free),
        socket_(io_) {}

  // The error that ended it; none once the status line is there.
  error_code Run(const std::string& host, uint16_t port) {
    tcp::resolver resolver(io_);
    const auto found = resolver.resolve(host, absl::StrCat(port), result_);
    if (result_) return result_;
    result_ = asio::error::timed_out;
    asio::async_connect(socket_, found, [this](error_code error, const tcp::endpoint&) {
      if (error) return End(error);
      wire_ = HttpWire::Make(std::move(socket_), context_, HttpWire::Role::kClient);
      wire_->Handshake([this](error_code failed) { failed ? End(failed) : Ask(); });
    });
    io_.run_for(kPatience);
    return result_;
  }
  const std::string& answer() const { return answer_; }

 private:
  void Ask() {
    static constexpr char kQuestion[] =
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    wire_->Write({asio::buffer(kQuestion, sizeof(kQuestion) - 1)},
                 [this](error_code error, size_t) { error ? End(error) : Read(); });
  }
  void Read() {
    wire_->Read(asio::buffer(buffer_), [this](error_code error, size_t bytes) {
      if (error) return End(error);
      answer_.append(buffer_.data(), bytes);
      answer_.size() < kStatusLineBytes ? Read() : End(error_code());
    });
  }
  void End(error_code result) {
    result_ = result;
    io_.stop();
  }

  asio::io_context io_;
  const std::shared_ptr<SSL_CTX> context_;
  tcp::socket socket_;
  std::unique_ptr<HttpWire> wire_;
  std::array<char, 512> buffer_ = {};
  std::string answer_;
  error_code result_;
};

bool AsksForACertificate(const error_code& error) {
  if (error.category() != asio::error::get_ssl_category()) return false;
  const int reason = ERR_GET_REASON(static_cast<unsigned long>(error.value()));
  return reason == SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED ||
         reason == SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE;
}

}  // namespace

absl::Status CheckHealth(const std::string& http_address, const HttpTlsOptions& tls) {
  S2P_ASSIGN_OR_RETURN(const auto address, ParseListenAddress(http_address));
  if (address.port == 0) {
    return absl::InvalidArgumentError(absl::StrCat("http: ", http_address, " has no port to ask"));
  }
  const absl::string_view scheme = tls.enabled() ? "https" : "http";
  Probe probe(tls.enabled());
  const error_code error = probe.Run(Reachable(address.host), address.port);
  if (error) {
    if (!tls.client_ca.empty() && AsksForACertificate(error)) return absl::OkStatus();
    return absl::UnavailableError(absl::StrCat("nothing answers at ", scheme, "://", http_address,
                                               "/healthz: ", error.message()));
  }
  const absl::string_view status = absl::string_view(probe.answer()).substr(0, 12);
  if (status != "HTTP/1.1 200") {
    return absl::UnavailableError(
        absl::StrCat(scheme, "://", http_address, "/healthz answers ", status));
  }
  return absl::OkStatus();
}

}  // namespace s2p

#include "client/connection/grpc_channel.h"

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/key_file.h"
#include "base/status_macros.h"
#include "base/text_file.h"
#include "base/tls_pair.h"
#include "base/utf8.h"
#include "client/connection/proxy.h"
#include "client/connection/server_address.h"

namespace s2p {
namespace {

// A request that does not fit is sent only once. Servers accept messages of 16 MiB by default, and
// a message that is too large once is always too large.
constexpr int kRetryBufferBytes = 16 << 20;
// One more than a round number, which could be a server's --max-message-bytes: TooLarge uses the
// difference to find out which side refused a message.
constexpr int kMaxMessageBytes = (64 << 20) + 1;
// gRPC's delays before it tries to reconnect.
constexpr int kFirstReconnectMs = 100;
constexpr int kLastReconnectMs = 2000;
// Time limit of one connection attempt, including TLS. Refused attempts are still repeated as
// above.
constexpr int kConnectMs = 5000;
// Interval and timeout of pings during a call: a silently lost network is noticed after their sum.
// Our servers permit pings this often even while they send no data.
constexpr int kKeepaliveMs = 30 * 1000;
constexpr int kKeepaliveTimeoutMs = 20 * 1000;

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> Credentials(
    const ClientOptions& options) {
  if (options.tls_cert.empty() != options.tls_key.empty()) {
    return absl::InvalidArgumentError("--tls-cert and --tls-key belong together: give both");
  }
  if (options.tls_ca.empty()) {
    if (!options.tls_cert.empty()) {
      return absl::InvalidArgumentError("--tls-cert needs --tls-ca, the authority to trust");
    }
    return grpc::InsecureChannelCredentials();
  }
  grpc::SslCredentialsOptions tls;
  for (const auto& [path, field] : {std::pair(&options.tls_ca, &tls.pem_root_certs),
                                    std::pair(&options.tls_cert, &tls.pem_cert_chain),
                                    std::pair(&options.tls_key, &tls.pem_private_key)}) {
    if (path->empty()) continue;
    S2P_ASSIGN_OR_RETURN(auto pem, ReadPemFile(*path));
    *field = std::move(pem);
  }
  if (!options.tls_cert.empty()) {
    S2P_RETURN_IF_ERROR(
        CheckTlsPair({tls.pem_cert_chain, options.tls_cert, tls.pem_private_key, options.tls_key}));
  }
  return grpc::SslCredentials(tls);
}

// gRPC aborts the process for an invalid HTTP header.
absl::Status CheckApiKey(const std::string& key) {
  for (const char c : key) {
    if (absl::ascii_isgraph(static_cast<unsigned char>(c))) continue;
    return absl::InvalidArgumentError(
        "--api-key: a key is printable ASCII without spaces and line ends");
  }
  return absl::OkStatus();
}

// An eavesdropper could use a key that is sent in plain text.
absl::Status CheckKeyIsSafe(const ClientOptions& options, const ServerAddress& address,
                            absl::string_view insecure_flag) {
  if (options.api_key.empty() || !options.tls_ca.empty() || options.insecure) {
    return absl::OkStatus();
  }
  // Addresses that only gRPC reads have no host; of those, a socket in the file system is safe.
  const bool is_here =
      address.host.empty() ? absl::StartsWith(options.server, "unix") : IsThisMachine(address.host);
  if (is_here) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "the API key would travel to ", Printable(options.server),
      " in plain text: give --tls-ca, or ", insecure_flag, " if the network itself is safe"));
}

// A hint for failed connections that names the proxy; empty without one.
std::string ProxyText(const std::string& server) {
  const auto address = ParseServerAddress(server);
  const auto proxy = address.ok() ? ProxyTo(address->host) : std::nullopt;
  if (!proxy) return "";
  return absl::StrCat("; the connection goes through the proxy ", Printable(proxy->address), " of ",
                      proxy->variable, ": if it should not, add ", address->host, " to no_proxy");
}

// Rewords gRPC's error for a message that is too large, such as "Received message larger than max
// (2 vs. 1)"; returns nothing for other errors. The limit in it tells which side refused the
// message.
std::optional<absl::Status> TooLarge(const grpc::Status& status, absl::string_view program) {
  const std::string& message = status.error_message();
  const size_t at = message.find("larger than max (");
  if (status.error_code() != grpc::StatusCode::RESOURCE_EXHAUSTED || at == std::string::npos) {
    return std::nullopt;
  }
  const std::vector<absl::string_view> words = absl::StrSplit(
      absl::string_view(message).substr(at), absl::ByAnyChar(" ()"), absl::SkipEmpty());
  uint64_t bytes = 0, most = 0;
  if (words.size() < 6 || !absl::SimpleAtoi(words[3], &bytes) ||
      !absl::SimpleAtoi(words[5], &most)) {
    return std::nullopt;
  }
  if (most == kMaxMessageBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the reply of ", program, " has ", bytes,
                                                   " bytes; at most ", most, " are accepted"));
  }
  return absl::InvalidArgumentError(absl::StrCat("the request has ", bytes,
                                                 " bytes; the server takes at most ", most,
                                                 " (--max-message-bytes)"));
}

}  // namespace

absl::Status ReadApiKey(ClientOptions& options) {
  if (options.api_key_file.empty()) return absl::OkStatus();
  if (!options.api_key.empty()) {
    return absl::InvalidArgumentError(
        "--api-key and --api-key-file (or S2P_API_KEY and S2P_API_KEY_FILE) are both set: give "
        "one");
  }
  S2P_ASSIGN_OR_RETURN(options.api_key, ReadClientKey(options.api_key_file));
  return CheckApiKey(options.api_key);
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const ClientOptions& options,
                                                           const char* service_config,
                                                           absl::string_view insecure_flag) {
  S2P_ASSIGN_OR_RETURN(const auto address, ParseServerAddress(options.server));
  S2P_RETURN_IF_ERROR(CheckApiKey(options.api_key));
  S2P_RETURN_IF_ERROR(CheckKeyIsSafe(options, address, insecure_flag));
  S2P_ASSIGN_OR_RETURN(auto credentials, Credentials(options));
  grpc::ChannelArguments arguments;
  if (options.retry) arguments.SetServiceConfigJSON(service_config);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, options.retry ? 1 : 0);
  arguments.SetInt(GRPC_ARG_PER_RPC_RETRY_BUFFER_SIZE, kRetryBufferBytes);
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kFirstReconnectMs);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kLastReconnectMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, ProxyTo(address.host) ? 1 : 0);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  return grpc::CreateCustomChannel(options.server, credentials, arguments);
}

void Prepare(const ClientOptions& options, bool with_deadline, grpc::ClientContext& context) {
  if (!options.api_key.empty()) {
    context.AddMetadata("authorization", absl::StrCat("Bearer ", options.api_key));
  }
  if (with_deadline) context.set_deadline(absl::ToChronoTime(absl::Now() + options.timeout));
}

absl::Status FromGrpc(const grpc::Status& status, const std::string& server,
                      absl::string_view program) {
  if (status.ok()) return absl::OkStatus();
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  if (auto too_large = TooLarge(status, program)) return *std::move(too_large);
  // gRPC's own message for a failed connection names neither the cause nor the remedy.
  if (code == absl::StatusCode::kUnavailable &&
      (absl::StrContains(status.error_message(), "connect") ||
       absl::StrContains(status.error_message(), "DNS"))) {
    return absl::UnavailableError(absl::StrCat(
        "no server answers at ", server, " (", status.error_message(), "); start ", program,
        " there, or name another with --server HOST:PORT or S2P_SERVER", ProxyText(server)));
  }
  // A server that lacks the service or the method answers with an empty message.
  if (code == absl::StatusCode::kUnimplemented && status.error_message().empty()) {
    return absl::UnimplementedError(
        absl::StrCat("the program at ", server, " does not know this call: it is not ", program,
                     ", or an older version; name another with --server HOST:PORT or S2P_SERVER"));
  }
  return absl::Status(code, status.error_message());
}

}  // namespace s2p

// Certificate and key of our HTTP servers, which may be replaced while they are in use.
#ifndef S2P_DAEMON_HTTP_TLS_FILES_H_
#define S2P_DAEMON_HTTP_TLS_FILES_H_

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "daemon/reload_report.h"
#include "daemon/reloaded.h"

struct ssl_ctx_st;  // OpenSSL's SSL_CTX

namespace s2p {

class Options;

// A plain value.
struct HttpTlsOptions {
  // PEM files of the certificate chain and the private key; both, or neither for plain HTTP.
  std::string cert;
  std::string key;
  // PEM file of the authority that clients' certificates must come from. Empty: clients need none.
  std::string client_ca;

  bool enabled() const { return !cert.empty() || !key.empty() || !client_ca.empty(); }
};

// Adds --http-tls-cert, --http-tls-key and --http-tls-client-ca.
void AddHttpTlsFlags(Options& options, HttpTlsOptions* tls);

// TLS 1.2 and 1.3 with the files' content, for new connections; those that began with an older one
// keep it. A certificate that arrives before its key cannot be used, and passes when the key
// arrives.
using TlsFiles = Reloaded<std::shared_ptr<ssl_ctx_st>>;

// Reads the files now, and again when they change. `interval` is as in ReloadedOptions; attempts
// are counted as "http_tls", unless `count` is null. InvalidArgument if one of certificate and key
// is missing, a file is not in PEM form, or the key is another certificate's; NotFound or
// PermissionDenied if a file cannot be read. The message names flag and file.
absl::StatusOr<std::unique_ptr<TlsFiles>> WatchTlsFiles(
    const HttpTlsOptions& options, std::chrono::steady_clock::duration interval,
    ReloadCounter count);

}  // namespace s2p

#endif  // S2P_DAEMON_HTTP_TLS_FILES_H_

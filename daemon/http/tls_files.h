// Certificate and key of our HTTP servers, which may be replaced while they are in use.
#ifndef S2P_DAEMON_HTTP_TLS_FILES_H_
#define S2P_DAEMON_HTTP_TLS_FILES_H_

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"

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

// TLS 1.2 and 1.3 with the files' content. Thread-safe.
class TlsFiles {
 public:
  // InvalidArgument if one of certificate and key is missing, a file is not in PEM form, or the key
  // is another certificate's; NotFound or PermissionDenied if a file cannot be read. The message
  // names flag and file.
  static absl::StatusOr<std::unique_ptr<TlsFiles>> Read(HttpTlsOptions options);
  ~TlsFiles();
  TlsFiles(const TlsFiles&) = delete;
  TlsFiles& operator=(const TlsFiles&) = delete;

  // For new connections; those that began with an older one keep it.
  std::shared_ptr<ssl_ctx_st> Current() const;

  // Reads the files again if one of them has changed since the last attempt. On an error, which is
  // as in Read, Current() stays. A certificate that arrives before its key is such an error, and
  // passes when the key arrives.
  absl::Status Refresh();

 private:
  TlsFiles(HttpTlsOptions options, std::string seen, std::shared_ptr<ssl_ctx_st> current);

  const HttpTlsOptions options_;
  mutable absl::Mutex mutex_;
  // Inodes, sizes and times of the files at the last attempt.
  std::string seen_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<ssl_ctx_st> current_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace s2p

#endif  // S2P_DAEMON_HTTP_TLS_FILES_H_

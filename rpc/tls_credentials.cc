#include "rpc/tls_credentials.h"

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include <cstdlib>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/status_macros.h"
#include "base/text_file.h"
#include "base/tls_pair.h"

namespace s2p {
namespace {

absl::StatusOr<std::string> ReadPem(absl::string_view flag, const std::string& path) {
  auto text = ReadPemFile(path);
  if (text.ok()) return text;
  return absl::Status(text.status().code(),
                      absl::StrCat("--", flag, ": cannot read ", text.status().message()));
}

// gRPC asks for the certificates at the start of each handshake.
class TlsServerCredentials final : public grpc::ServerCredentials {
 public:
  explicit TlsServerCredentials(std::unique_ptr<Reloaded<TlsMaterial>> files)
      : files_(std::move(files)) {
    const auto request = files_->Get()->client_ca.empty()
                             ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                             : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
    credentials_ = grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(request, &Fetch, this));
  }
  ~TlsServerCredentials() override { grpc_server_credentials_release(credentials_); }

  // Keys are checked by CallGate, with TLS and without.
  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {
    std::abort();
  }

 private:
  static grpc_ssl_certificate_config_reload_status Fetch(
      void* self, grpc_ssl_server_certificate_config** config) {
    return static_cast<TlsServerCredentials*>(self)->FetchNew(config);
  }

  grpc_ssl_certificate_config_reload_status FetchNew(grpc_ssl_server_certificate_config** config) {
    absl::MutexLock lock(&mutex_);
    auto files = files_->Get();
    if (files == given_) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    const grpc_ssl_pem_key_cert_pair pair = {files->key.c_str(), files->cert.c_str()};
    // gRPC insists on an authority, even though it asks no client for a certificate without one.
    const std::string& client_ca = files->client_ca.empty() ? files->cert : files->client_ca;
    *config = grpc_ssl_server_certificate_config_create(client_ca.c_str(), &pair, 1);
    given_ = std::move(files);
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  const std::unique_ptr<Reloaded<TlsMaterial>> files_;
  grpc_server_credentials* credentials_ = nullptr;
  absl::Mutex mutex_;
  // The files that gRPC has now.
  std::shared_ptr<const TlsMaterial> given_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<TlsMaterial> ReadTlsMaterial(const std::string& cert_path,
                                            const std::string& key_path,
                                            const std::string& client_ca_path) {
  TlsMaterial files;
  S2P_ASSIGN_OR_RETURN(files.cert, ReadPem("tls-cert", cert_path));
  S2P_ASSIGN_OR_RETURN(files.key, ReadPem("tls-key", key_path));
  S2P_RETURN_IF_ERROR(CheckTlsPair({files.cert, cert_path, files.key, key_path}));
  if (!client_ca_path.empty()) {
    S2P_ASSIGN_OR_RETURN(files.client_ca, ReadPem("tls-client-ca", client_ca_path));
  }
  return files;
}

std::shared_ptr<grpc::ServerCredentials> MakeTlsServerCredentials(
    std::unique_ptr<Reloaded<TlsMaterial>> files) {
  return std::make_shared<TlsServerCredentials>(std::move(files));
}

}  // namespace s2p

// TLS of a gRPC server whose certificates can be replaced while it serves.
#ifndef S2P_RPC_TLS_CREDENTIALS_H_
#define S2P_RPC_TLS_CREDENTIALS_H_

#include <grpcpp/security/server_credentials.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "daemon/reloaded.h"

namespace s2p {

// The certificate and key of a server, and the authority of its clients, all in PEM form. A plain
// value.
struct TlsMaterial {
  std::string cert;
  std::string key;
  // Empty: clients need no certificate.
  std::string client_ca;
};

// Reads the files; an empty path of the authority leaves it empty. As ReadPemFile, naming the flag;
// InvalidArgument also if the key is not the certificate's.
absl::StatusOr<TlsMaterial> ReadTlsMaterial(const std::string& cert_path,
                                            const std::string& key_path,
                                            const std::string& client_ca_path);

// Each new connection gets what `files` has by then; connections that are open stay as they are. A
// client must have a certificate if `files` has an authority from the start.
//
// Not gRPC's FileWatcherCertificateProvider, which does not ask whether a key is its certificate's:
// while one of the files is replaced already and the other is not, new connections would fail.
std::shared_ptr<grpc::ServerCredentials> MakeTlsServerCredentials(
    std::unique_ptr<Reloaded<TlsMaterial>> files);

}  // namespace s2p

#endif  // S2P_RPC_TLS_CREDENTIALS_H_

// Access to a gRPC server, and the protection of its connections.
#ifndef S2P_RPC_CREDENTIALS_H_
#define S2P_RPC_CREDENTIALS_H_

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/support/string_ref.h>

#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rpc/api_keys.h"

namespace s2p {

class Options;

// A plain value.
struct CredentialOptions {
  // PEM files of the server's certificate chain and private key; both or neither.
  std::string tls_cert;
  std::string tls_key;
  // PEM file of the authority that client certificates must come from. Empty: clients need none.
  std::string tls_client_ca;
  // Allow plain text beyond loopback.
  bool insecure = false;
  // See rpc/api_keys.h. Empty: no key is required.
  std::string api_key_file;
};

// Adds --tls-cert, --tls-key, --tls-client-ca, --insecure and --api-key-file.
void AddCredentialOptions(Options* options, CredentialOptions* credential_options);

// Credentials for `listen`, after CheckListenAddress: plain text without tls_cert, else TLS.
// InvalidArgument if only one of certificate and key is given, or if the address needs TLS;
// NotFound or PermissionDenied names the file that cannot be read. The files are read once: a new
// certificate needs a restart.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const std::string& listen, const CredentialOptions& options);

// Checks the header "authorization" of a call; ok if `keys` is null. Every method of every service
// needs this check. `metadata` is ServerContextBase::client_metadata(). Thread-safe.
absl::Status AuthorizeCall(const ApiKeys* keys,
                           const std::multimap<grpc::string_ref, grpc::string_ref>& metadata);

}  // namespace s2p

#endif  // S2P_RPC_CREDENTIALS_H_

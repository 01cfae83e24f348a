// Access to a gRPC server, and the protection of its connections.
#ifndef S2P_RPC_CREDENTIALS_H_
#define S2P_RPC_CREDENTIALS_H_

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/support/string_ref.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/reloaded.h"
#include "rpc/api_keys.h"
#include "rpc/audit_log.h"
#include "rpc/rpc_metrics.h"

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
  // See base/key_file.h. Empty: no key is required.
  std::string api_key_file;
  // The least time between two looks at the files above, which are read again when they change.
  std::chrono::steady_clock::duration reload_interval = std::chrono::seconds(1);
};

// Adds --tls-cert, --tls-key, --tls-client-ca, --insecure and --api-key-file.
void AddCredentialOptions(Options* options, CredentialOptions* credential_options);

// Credentials for `listen`, after CheckListenAddress: plain text without tls_cert, else TLS, whose
// files are read again when they change. InvalidArgument if only one of certificate and key is
// given, or if the address needs TLS; NotFound or PermissionDenied names the file that cannot be
// read. Null `metrics`: repeated reads are not counted.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const std::string& listen, const CredentialOptions& options, RpcMetrics* metrics = nullptr);

// The keys of api_key_file, which are read again when it changes; null if no key is required. What
// has changed is recorded: "+NAME ROLES" for a new key, "-NAME ROLES" for one that is gone, and
// both for one that was replaced under its name. Both pointers are borrowed. As ApiKeys::Read.
absl::StatusOr<std::unique_ptr<Reloaded<ApiKeys>>> WatchApiKeys(const CredentialOptions& options,
                                                                AuditLog* audit,
                                                                RpcMetrics* metrics);

// The owner of the key in the header "authorization" of a call. Every method of every service needs
// this check. If `keys` is null, no key is required: everybody is kAnonymous and has all roles.
// `metadata` is ServerContextBase::client_metadata(). Unauthenticated as ApiKeys::Authorize, and if
// the header comes twice. Thread-safe.
absl::StatusOr<KeyHolder> AuthorizeCall(
    const ApiKeys* keys, const std::multimap<grpc::string_ref, grpc::string_ref>& metadata);

}  // namespace s2p

#endif  // S2P_RPC_CREDENTIALS_H_

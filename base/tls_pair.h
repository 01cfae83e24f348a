// A certificate and its private key.
#ifndef S2P_BASE_TLS_PAIR_H_
#define S2P_BASE_TLS_PAIR_H_

#include <string>

#include "absl/status/status.h"

namespace s2p {

// Both in PEM form, with the paths that they came from. A plain value.
struct TlsPair {
  std::string cert;
  std::string cert_path;
  std::string key;
  std::string key_path;
};

// InvalidArgument, naming --tls-cert or --tls-key and the path, if one of them cannot be read or
// the key is not the certificate's. gRPC would fail without saying why; and while one of two files
// is replaced already and the other is not, they do not belong together.
absl::Status CheckTlsPair(const TlsPair& pair);

}  // namespace s2p

#endif  // S2P_BASE_TLS_PAIR_H_

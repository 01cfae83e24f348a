// How a client reaches its server.
#ifndef S2P_CLIENT_CLIENT_OPTIONS_H_
#define S2P_CLIENT_CLIENT_OPTIONS_H_

#include <string>

#include "absl/time/time.h"

namespace s2p {

// Where s2p-server and the trainer's daemon listen unless told otherwise.
inline constexpr char kDefaultServer[] = "127.0.0.1:50051";
inline constexpr char kDefaultTrainer[] = "127.0.0.1:50052";

struct ClientOptions {
  // HOST:PORT, or what else ParseServerAddress takes.
  std::string server = kDefaultServer;
  // PEM files. With a CA the connection is TLS; certificate and key (both or none) prove who we
  // are. Without a CA it is plain text.
  std::string tls_ca;
  std::string tls_cert;
  std::string tls_key;
  // Sent as "authorization: Bearer ..."; empty: not sent.
  std::string api_key;
  // Deadline of each call that is not a stream without end, retries included.
  absl::Duration timeout = absl::Seconds(30);
  // Whether calls that failed because the server is busy or not there yet are repeated. Off where
  // each failure is to be seen.
  bool retry = true;
};

}  // namespace s2p

#endif  // S2P_CLIENT_CLIENT_OPTIONS_H_

// The options of a client's connection to its server.
#ifndef S2P_CLIENT_CLIENT_OPTIONS_H_
#define S2P_CLIENT_CLIENT_OPTIONS_H_

#include <string>

#include "absl/time/time.h"

namespace s2p {

// The default addresses of s2p-server and the training daemon.
inline constexpr char kDefaultServer[] = "127.0.0.1:50051";
inline constexpr char kDefaultTrainer[] = "127.0.0.1:50052";

struct ClientOptions {
  // HOST:PORT, or any other form that ParseServerAddress accepts.
  std::string server = kDefaultServer;
  // PEM files. With a CA the connection uses TLS; certificate and key (both or neither) identify
  // the client. Without a CA it is plain text.
  std::string tls_ca;
  std::string tls_cert;
  std::string tls_key;
  // Sent as "authorization: Bearer ..." unless it is empty.
  std::string api_key;
  // File whose first line is the key; instead of api_key.
  std::string api_key_file;
  // Allow sending the key in plain text beyond this machine.
  bool insecure = false;
  // Deadline of each call, including retries. Endless streams have none.
  absl::Duration timeout = absl::Seconds(30);
  // Whether to retry calls that failed because the server is busy or not up yet. Turn it off to see
  // each failure.
  bool retry = true;
};

}  // namespace s2p

#endif  // S2P_CLIENT_CLIENT_OPTIONS_H_

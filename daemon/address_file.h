// The file in which a program tells where it listens, for who started it with port 0.
#ifndef S2P_DAEMON_ADDRESS_FILE_H_
#define S2P_DAEMON_ADDRESS_FILE_H_

#include <string>

#include "absl/status/status.h"

namespace s2p {

// Appears whole: who waits for the file reads the whole address. Does nothing for an empty path.
// FailedPrecondition names a file that cannot be written.
absl::Status WriteAddress(const std::string& path, const std::string& address);

}  // namespace s2p

#endif  // S2P_DAEMON_ADDRESS_FILE_H_

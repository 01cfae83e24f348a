// The service manager that has started this process, such as systemd, and what it is told.
#ifndef S2P_DAEMON_SERVICE_MANAGER_H_
#define S2P_DAEMON_SERVICE_MANAGER_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace s2p {

// Sends `state` to the socket that the variable NOTIFY_SOCKET names; does nothing without it.
// `state` is one or more lines of NAME=VALUE, as sd_notify(3) of systemd defines them: "READY=1",
// "STOPPING=1". InvalidArgument if the variable names no socket, Unavailable if nobody takes the
// message. Thread-safe while nobody changes the environment.
//
// Not libsystemd's sd_notify: for this one datagram, whose form sd_notify(3) documents as stable
// and free to implement, each program would load that library with its three compressors.
absl::Status NotifyServiceManager(absl::string_view state);

}  // namespace s2p

#endif  // S2P_DAEMON_SERVICE_MANAGER_H_

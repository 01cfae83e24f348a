// The part of the command line that our daemons share.
#ifndef S2P_DAEMON_DAEMON_OPTIONS_H_
#define S2P_DAEMON_DAEMON_OPTIONS_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "daemon/log.h"
#include "daemon/options.h"
#include "daemon/shutdown.h"

namespace s2p {

// A plain value.
struct DaemonOptions {
  // Only ask the daemon that runs already whether it is alive.
  bool health = false;
  // Files to write the bound addresses to; empty: none.
  std::string address_file;
  std::string http_address_file;
  // Time after SIGTERM during which calls are still answered while health says that nothing serves,
  // so that balancers send the next ones elsewhere. Another signal ends it.
  absl::Duration lame_duck = absl::ZeroDuration();
  // Time that running calls have after that.
  absl::Duration drain = absl::Seconds(30);
  // When the program has not ended this long after the drain, a watchdog ends it.
  absl::Duration overrun = absl::Seconds(5);
  LogOptions log;
};

// Each adds the flag of its name; the last argument completes the flag's description: what listens
// ("gRPC"), which daemon is asked ("the server at --http"), and whose address it is ("gRPC's").
Flag& AddListenFlag(Options& options, std::string* listen, absl::string_view what);
void AddHealthFlag(Options& options, DaemonOptions* daemon, absl::string_view which);
void AddAddressFileFlag(Options& options, DaemonOptions* daemon, absl::string_view whose);
// Adds --lame-duck and --drain.
void AddDrainFlags(Options& options, DaemonOptions* daemon);

// The parts of a daemon's end that are its own. A plain value.
struct DaemonEnd {
  // Says that nothing serves, and still answers.
  std::function<void()> stop_serving;
  // Ends within the given time, if all goes well.
  std::function<void(absl::Duration drain)> shut_down;
};

// Writes the file that says where a program listens, for the program that started it with
// port 0. The file appears whole. Does nothing for an empty path. FailedPrecondition names a file
// that cannot be written.
absl::Status WriteAddress(const std::string& path, const std::string& address);

// The middle of the life of a program that listens at `address`: tells the service manager that it
// is ready (daemon/service_manager.h), waits for `shutdown` and, after `stop_serving`, for the lame
// duck, and tells the service manager that the program stops and how long that may take. It tells
// nothing of SIGHUP: the files are read again at the next call, not within the signal.
void AwaitShutdown(const DaemonOptions& daemon, const std::string& address,
                   const Shutdown& shutdown, const std::function<void()>& stop_serving);

// The part of a gRPC daemon's life that is the same in all: writes the address files, logs that it
// listens, does as AwaitShutdown, and then drains. If `end` has not returned
// `daemon.overrun` after that, the process exits with kOverrunExit (daemon/end_watchdog.h): what
// was answered is durable. FailedPrecondition if an address file cannot be written.
absl::Status ServeUntilShutdown(const DaemonOptions& daemon, const std::string& address,
                                const std::string& http_address, const Shutdown& shutdown,
                                const DaemonEnd& end);

}  // namespace s2p

#endif  // S2P_DAEMON_DAEMON_OPTIONS_H_

#include "daemon/daemon_options.h"

#include <cstdio>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "daemon/end_watchdog.h"
#include "daemon/service_manager.h"

namespace s2p {
namespace {

// A program works as well if its service manager hears nothing, so this is no error of its own.
void Tell(absl::string_view state) {
  if (absl::Status status = NotifyServiceManager(state); !status.ok()) {
    LogWarning("the service manager was not told", {{"state", state}, {"error", status}});
  }
}

// `at_most` overrides a shorter time of the service manager, which would kill the program then.
void TellStopping(absl::string_view doing, absl::Duration at_most) {
  Tell(absl::StrCat("STOPPING=1\nSTATUS=", doing,
                    "\nEXTEND_TIMEOUT_USEC=", absl::ToInt64Microseconds(at_most)));
}

}  // namespace

Flag& AddListenFlag(Options& options, std::string* listen, absl::string_view what) {
  return options.Add("listen", listen,
                     absl::StrCat("address of ", what, ", HOST:PORT; port 0 picks a free one"));
}

void AddHealthFlag(Options& options, DaemonOptions* daemon, absl::string_view which) {
  options
      .Add("health", &daemon->health,
           absl::StrCat("serve nothing: ask ", which, " whether it is alive, exit 0 if so"))
      .Alone();
}

void AddAddressFileFlag(Options& options, DaemonOptions* daemon, absl::string_view whose) {
  options.Add("address-file", &daemon->address_file,
              absl::StrCat("file to write ", whose, " address to when it listens"));
}

void AddDrainFlags(Options& options, DaemonOptions* daemon) {
  options.Add(
      "lame-duck", &daemon->lame_duck,
      "how long calls are still taken after SIGTERM, while health says NOT_SERVING; another "
      "SIGTERM ends it");
  options.Add("drain", &daemon->drain,
              "time that running calls have after SIGTERM and --lame-duck");
}

absl::Status WriteAddress(const std::string& path, const std::string& address) {
  if (path.empty()) return absl::OkStatus();
  const std::string temporary = path + ".tmp";
  std::ofstream file(temporary);
  file << address << '\n';
  file.close();
  if (!file || std::rename(temporary.c_str(), path.c_str()) != 0) {
    return absl::FailedPreconditionError(absl::StrCat(path, ": cannot be written"));
  }
  return absl::OkStatus();
}

void AwaitShutdown(const DaemonOptions& daemon, const std::string& address,
                   const Shutdown& shutdown, const std::function<void()>& stop_serving) {
  const absl::Duration end = daemon.drain + daemon.overrun;
  Tell(absl::StrCat("READY=1\nSTATUS=listening at ", address));
  shutdown.WaitWithLameDuck(daemon.lame_duck, [&] {
    LogInfo("still serving, but health says no", {{"for", daemon.lame_duck}});
    TellStopping("lame duck", daemon.lame_duck + end);
    stop_serving();
  });
  TellStopping("draining", end);
}

absl::Status ServeUntilShutdown(const DaemonOptions& daemon, const std::string& address,
                                const std::string& http_address, const Shutdown& shutdown,
                                const DaemonEnd& end) {
  S2P_RETURN_IF_ERROR(WriteAddress(daemon.address_file, address));
  S2P_RETURN_IF_ERROR(WriteAddress(daemon.http_address_file, http_address));
  LogInfo("listening", {{"grpc", address}, {"http", http_address}});
  AwaitShutdown(daemon, address, shutdown, end.stop_serving);
  LogInfo("draining", {{"at_most", daemon.drain}});
  {
    const EndWatchdog watchdog(daemon.drain + daemon.overrun);
    end.shut_down(daemon.drain);
  }
  LogInfo("ended");
  return absl::OkStatus();
}

}  // namespace s2p

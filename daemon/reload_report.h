// Files that were read again, told to logs and metrics in one way.
#ifndef S2P_DAEMON_RELOAD_REPORT_H_
#define S2P_DAEMON_RELOAD_REPORT_H_

#include <functional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace s2p {

// Counts another attempt to read files that have changed, and whether it went well. `files` is
// their name in s2p_reloads_total. Must be thread-safe.
using ReloadCounter = std::function<void(absl::string_view files, bool ok)>;

// Logs another attempt to read files, and counts it unless `count` is null. `what` is their name
// for people: "certificates". Thread-safe.
void ReportReload(absl::string_view what, absl::string_view files, const absl::Status& status,
                  const ReloadCounter& count);

}  // namespace s2p

#endif  // S2P_DAEMON_RELOAD_REPORT_H_

// The record of who changed what.
#ifndef S2P_RPC_AUDIT_LOG_H_
#define S2P_RPC_AUDIT_LOG_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "daemon/log.h"
#include "rpc/caller.h"
#include "rpc/rpc_metrics.h"

namespace s2p {

// One change, or the attempt. A plain value, with neither images nor metadata.
struct AuditEntry {
  absl::Time when;
  Caller caller;
  // "DeletePhotos", or "keys" for a change of the accepted keys.
  std::string method;
  // The photos, the version, the job or the keys that were to be changed.
  std::vector<std::string> ids;
  // How many things.
  int64_t count = 0;
  // "OK", "NOT_FOUND".
  std::string code;
  // Empty without a call.
  std::string request_id;
  // One of the many photos of a stream, which has an entry of its own at its end.
  bool is_part = false;
};

// Appends each entry to a file as a line of JSON:
//
//   {"time":"2026-11-29T18:00:00.123Z","key":"web","address":"10.0.0.7","method":"DeletePhotos",
//    "ids":["shoe-17"],"count":1,"code":"OK","request_id":"..."}
//
// and "user":"ada@shoes.example" if the caller names one (Caller::user). It lists at most 100 ids;
// `count` counts all of them. The first entry after SIGHUP opens the file anew, so that it can be
// rotated; if that fails, the next one tries again. A line that a crash has cut off gets its end,
// so that the first entry has a line of its own. Entries are not synced to disk. The change has
// been made when its entry is written, so an entry that cannot be written fails no call: it goes
// into the program's log as an error, and is counted. Thread-safe.
class AuditLog {
 public:
  // Opens or creates the file, with mode 0640. If `path` is empty, entries go into the program's
  // log: as info lines, parts as debug lines. `metrics` is borrowed. The system's error names the
  // flag and the file.
  static absl::StatusOr<std::unique_ptr<AuditLog>> Open(const std::string& path,
                                                        RpcMetrics* metrics);
  ~AuditLog();
  AuditLog(const AuditLog&) = delete;
  AuditLog& operator=(const AuditLog&) = delete;

  void Write(const AuditEntry& entry);

 private:
  AuditLog(std::string path, RpcMetrics* metrics);
  absl::Status Reopen() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Append(const std::string& line) ABSL_LOCKS_EXCLUDED(mutex_);

  const std::string path_;
  RpcMetrics& metrics_;
  absl::Mutex mutex_;
  int file_ ABSL_GUARDED_BY(mutex_) = -1;
  uint64_t signals_ ABSL_GUARDED_BY(mutex_) = 0;
  // The last line has no end.
  bool is_torn_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace s2p

#endif  // S2P_RPC_AUDIT_LOG_H_

// Lists what is broken in this server until somebody repairs it.
#ifndef S2P_SERVER_FAULTS_FAULTS_H_
#define S2P_SERVER_FAULTS_FAULTS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace s2p {

// As Fault.Kind in model.proto, which says what each means.
enum class FaultKind {
  kStoreUnreadable,
  kPhotoMissing,
  kPhotoDamaged,
  kDiskFull,
  kDataReadOnly,
  kCatalogueFailed,
  kDecoderFailed,
};
inline constexpr size_t kFaultKinds = 7;

// "store_unreadable", as metrics and log lines name it.
const char* FaultName(FaultKind kind);

// One kind of fault that lasts. A plain value.
struct Fault {
  FaultKind kind = FaultKind::kStoreUnreadable;
  // Reports since the start.
  uint64_t count = 0;
  absl::Time first_seen_at;
  absl::Time last_seen_at;
  // The last case, without paths of the server.
  std::string message;
};

// Collects faults from the parts that notice them. A fault lasts from its first report until each
// of its subjects is resolved. Each subject is one error line in the log, however often it is
// reported until then. Thread-safe; the callbacks are called without the lock.
class Faults {
 public:
  struct Options {
    // Optional: called for each report.
    std::function<void(FaultKind)> on_report;
    // Optional: called when a subject breaks or is resolved.
    std::function<void()> on_change;
    // The clock; tests replace it.
    std::function<absl::Time()> now = absl::Now;
  };

  Faults() : Faults(Options()) {}
  explicit Faults(Options options) : options_(std::move(options)) {}

  // `subject` tells cases of one kind apart, as the digest of a photo; empty if there is one case.
  // `message` is for operators at a distance, without paths; `reason` is for the log, with them.
  void Report(FaultKind kind, const std::string& subject, const std::string& message,
              const absl::Status& reason);
  // The subject is whole. Does nothing if it was not broken.
  void Resolve(FaultKind kind, const std::string& subject = "");

  // The faults that last, in the order of FaultKind.
  std::vector<Fault> Current() const;

 private:
  struct Record {
    Fault fault;
    // The subjects that are broken, up to a bound. More of them are counted, but neither logged nor
    // waited for.
    std::set<std::string> broken;
  };

  const Options options_;
  mutable absl::Mutex mutex_;
  std::array<Record, kFaultKinds> records_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace s2p

#endif  // S2P_SERVER_FAULTS_FAULTS_H_

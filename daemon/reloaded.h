// A value that follows the files it is read from.
#ifndef S2P_DAEMON_RELOADED_H_
#define S2P_DAEMON_RELOADED_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "daemon/file_stamp.h"
#include "daemon/reload_signal.h"

namespace s2p {

template <typename T>
struct ReloadedOptions {
  // The files that `read` reads.
  std::vector<std::string> paths;
  std::function<absl::StatusOr<T>()> read;
  // Called after each attempt but the first, with the former value and the one that counts now: the
  // same if the attempt failed. Null: not called. Must not call Get.
  std::function<void(const absl::Status&, const T& former, const T& now)> report;
  // The least time between two looks at the files. 0: each Get looks (for tests).
  std::chrono::steady_clock::duration interval = std::chrono::seconds(1);
};

// Reads its files when it is made, and again in the first Get after one of them has changed or the
// process was sent SIGHUP. What cannot be read is reported once and leaves the former value in
// place, until the files change again. It needs no thread: a value that nobody asks for may be old.
// Thread-safe.
template <typename T>
class Reloaded {
 public:
  // The error of `read`, if the first attempt fails.
  static absl::StatusOr<std::unique_ptr<Reloaded>> Create(ReloadedOptions<T> options) {
    std::unique_ptr<Reloaded> reloaded(new Reloaded(std::move(options)));
    absl::MutexLock lock(&reloaded->mutex_);
    if (absl::Status status = reloaded->Read(); !status.ok()) return status;
    return reloaded;
  }

  std::shared_ptr<const T> Get() {
    absl::MutexLock lock(&mutex_);
    const auto now = std::chrono::steady_clock::now();
    const bool signalled = signals_ != ReloadSignals();
    if (!signalled && now - looked_ < options_.interval) return value_;
    looked_ = now;
    if (signalled || stamps_ != Stamps()) {
      const std::shared_ptr<const T> former = value_;
      const absl::Status status = Read();
      if (options_.report != nullptr) options_.report(status, *former, *value_);
    }
    return value_;
  }

 private:
  explicit Reloaded(ReloadedOptions<T> options) : options_(std::move(options)) {}

  std::vector<FileStamp> Stamps() const {
    std::vector<FileStamp> stamps;
    for (const std::string& path : options_.paths) stamps.push_back(StampOf(path));
    return stamps;
  }

  // The stamps come first: a change during the read is seen by the next look.
  absl::Status Read() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    signals_ = ReloadSignals();
    stamps_ = Stamps();
    looked_ = std::chrono::steady_clock::now();
    absl::StatusOr<T> value = options_.read();
    if (!value.ok()) return value.status();
    value_ = std::make_shared<const T>(*std::move(value));
    return absl::OkStatus();
  }

  const ReloadedOptions<T> options_;
  absl::Mutex mutex_;
  std::shared_ptr<const T> value_ ABSL_GUARDED_BY(mutex_);
  std::vector<FileStamp> stamps_ ABSL_GUARDED_BY(mutex_);
  uint64_t signals_ ABSL_GUARDED_BY(mutex_) = 0;
  std::chrono::steady_clock::time_point looked_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace s2p

#endif  // S2P_DAEMON_RELOADED_H_

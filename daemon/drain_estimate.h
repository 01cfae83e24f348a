// An estimate of the time that a queue takes to empty, from how fast it emptied lately.
#ifndef S2P_DAEMON_DRAIN_ESTIMATE_H_
#define S2P_DAEMON_DRAIN_ESTIMATE_H_

#include <algorithm>

#include "absl/time/time.h"

namespace s2p {

// A running mean of the time that one unit of work takes; the last ten or so pieces of work weigh
// most. Thread-compatible: its queue's mutex guards it.
class DrainEstimate {
 public:
  // One worker did `units` of work in `took`.
  void Finished(int units, absl::Duration took) {
    if (units < 1) return;
    const absl::Duration each = took / units;
    per_unit_ = per_unit_ == absl::ZeroDuration() ? each : per_unit_ * 0.9 + each * 0.1;
  }
  // The time for `units` that wait, with this many workers: at least 10 ms, below which a retry
  // costs more than waiting, and at most 30 s; 100 ms until something has finished.
  absl::Duration For(int units, int workers) const {
    if (per_unit_ == absl::ZeroDuration()) return absl::Milliseconds(100);
    return std::clamp(per_unit_ * units / std::max(workers, 1), absl::Milliseconds(10),
                      absl::Seconds(30));
  }
  // Units that one worker finishes within `time`, at most `most`; 1 until something has finished.
  int Fitting(absl::Duration time, int most) const {
    if (per_unit_ == absl::ZeroDuration()) return std::min(1, most);
    if (per_unit_ * most <= time) return most;
    return static_cast<int>(absl::FDivDuration(time, per_unit_));
  }

 private:
  absl::Duration per_unit_;
};

}  // namespace s2p

#endif  // S2P_DAEMON_DRAIN_ESTIMATE_H_

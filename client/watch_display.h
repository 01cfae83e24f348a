// The display of `s2p train watch`.
#ifndef S2P_CLIENT_WATCH_DISPLAY_H_
#define S2P_CLIENT_WATCH_DISPLAY_H_

#include <functional>
#include <ostream>
#include <string>

#include "absl/strings/string_view.h"
#include "base/steady_time.h"
#include "s2p/v1/training.pb.h"

namespace s2p {

// Returns "running" for STATE_RUNNING.
std::string JobStateText(v1::Job::State state);
// Returns "step 2 epoch 3/60"; empty before the first update.
std::string EpochText(const v1::TrainingProgress& progress);

struct WatchDisplayOptions {
  // `out` is a terminal: one line, redrawn repeatedly, shows the progress. Otherwise each epoch
  // gets its own line, written when the next epoch starts.
  bool live = false;
  // Width of the terminal, in characters.
  int columns = 80;
  // The clock; tests set their own.
  std::function<SteadyTime()> now = SteadyTime::Now;
};

// State changes and messages get lines of their own. The live line is drawn at most ten times a
// second; the destructor removes it. One thread only.
class WatchDisplay {
 public:
  // `out` is borrowed.
  WatchDisplay(std::ostream* out, WatchDisplayOptions options);
  ~WatchDisplay();
  WatchDisplay(const WatchDisplay&) = delete;
  WatchDisplay& operator=(const WatchDisplay&) = delete;

  void Show(const v1::WatchJobResponse& event);
  // Writes a line that is not an event of the job.
  void Note(absl::string_view sentence);
  // Writes the last epoch and removes the live line.
  void Finish();

 private:
  void WriteLine(absl::string_view sentence);
  void ShowProgress(const v1::TrainingProgress& progress);
  void Draw(const v1::TrainingProgress& progress);
  void WriteEpoch();
  void Erase();

  std::ostream* const out_;
  const WatchDisplayOptions options_;
  v1::Job::State state_ = v1::Job::STATE_UNSPECIFIED;
  // Progress of the epoch that is not written yet; it has no epoch if there is none.
  v1::TrainingProgress epoch_;
  bool drawn_ = false;
  SteadyTime next_draw_ = SteadyTime::InfinitePast();
};

}  // namespace s2p

#endif  // S2P_CLIENT_WATCH_DISPLAY_H_

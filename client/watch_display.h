// What `s2p train watch` shows of a job.
#ifndef S2P_CLIENT_WATCH_DISPLAY_H_
#define S2P_CLIENT_WATCH_DISPLAY_H_

#include <functional>
#include <ostream>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "s2p/v1/training.pb.h"

namespace s2p {

// "running" of STATE_RUNNING.
std::string JobStateText(v1::Job::State state);
// "step 2 epoch 3/60"; empty before the first update.
std::string EpochText(const v1::TrainingProgress& progress);

struct WatchDisplayOptions {
  // `out` is a terminal: one line that is drawn again and again says where the run is. Else each
  // epoch is a line of its own, written when the next one begins.
  bool live = false;
  // Width of the terminal, in characters.
  int columns = 80;
  // The clock; tests have their own.
  std::function<absl::Time()> now = absl::Now;
};

// Changes of the job's state and messages are lines of their own. The live line is drawn at most
// ten times a second and is gone when the object is. One thread only.
class WatchDisplay {
 public:
  // `out` is borrowed.
  WatchDisplay(std::ostream* out, WatchDisplayOptions options);
  ~WatchDisplay();
  WatchDisplay(const WatchDisplay&) = delete;
  WatchDisplay& operator=(const WatchDisplay&) = delete;

  void Show(const v1::WatchJobResponse& event);
  // A line that is no event of the job.
  void Note(absl::string_view sentence);
  // Writes the last epoch and removes the live line.
  void Finish();

 private:
  void Say(absl::string_view sentence);
  void ShowProgress(const v1::TrainingProgress& progress);
  void Draw(const v1::TrainingProgress& progress);
  void WriteEpoch();
  void Erase();

  std::ostream* const out_;
  const WatchDisplayOptions options_;
  v1::Job::State state_ = v1::Job::STATE_UNSPECIFIED;
  // Of the epoch that is not written yet; without an epoch there is none.
  v1::TrainingProgress epoch_;
  bool drawn_ = false;
  absl::Time next_draw_ = absl::InfinitePast();
};

}  // namespace s2p

#endif  // S2P_CLIENT_WATCH_DISPLAY_H_

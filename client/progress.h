// A line on the terminal that shows the progress of a long command.
#ifndef S2P_CLIENT_PROGRESS_H_
#define S2P_CLIENT_PROGRESS_H_

#include <cstddef>
#include <string>

#include "base/steady_time.h"

namespace s2p {

// Draws on standard error if that is a terminal, at most ten times a second; otherwise stays
// silent. The destructor removes the line. One thread only.
class Progress {
 public:
  // `what` names the activity, such as "adding"; it counts up to `total`.
  Progress(std::string what, size_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void Advance();
  // Removes the line so that a message can be printed; the next Advance redraws it.
  void Hide();

 private:
  const std::string what_;
  const size_t total_;
  const bool visible_;
  const SteadyTime start_;
  size_t done_ = 0;
  SteadyTime next_draw_;
};

}  // namespace s2p

#endif  // S2P_CLIENT_PROGRESS_H_

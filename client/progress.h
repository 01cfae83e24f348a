// A line on the terminal that says how far a long command is.
#ifndef S2P_CLIENT_PROGRESS_H_
#define S2P_CLIENT_PROGRESS_H_

#include <cstddef>
#include <string>

#include "absl/time/time.h"

namespace s2p {

// Draws on standard error if that is a terminal, at most ten times a second; else stays silent.
// The line is gone when the object is. One thread only.
class Progress {
 public:
  // `what` as in "adding", counted up to `total`.
  Progress(std::string what, size_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void Advance();
  // Removes the line, so that a message can be printed; the next Advance draws it again.
  void Hide();

 private:
  const std::string what_;
  const size_t total_;
  const bool visible_;
  const absl::Time begin_;
  size_t done_ = 0;
  absl::Time next_draw_;
};

}  // namespace s2p

#endif  // S2P_CLIENT_PROGRESS_H_

// Limits the share of the time that embedding a gallery takes.
#ifndef S2P_SERVER_VERSIONS_EMBEDDING_PACE_H_
#define S2P_SERVER_VERSIONS_EMBEDDING_PACE_H_

#include <functional>
#include <utility>

#include "absl/time/time.h"

namespace s2p {

// Work in pieces leaves room for live searches: while some wait, it takes at most `share` of the
// time, in (0, 1]; else all of it. Thread-safe if `busy` is.
class EmbeddingPace {
 public:
  // `busy`: true while live searches wait; may be empty: never.
  EmbeddingPace(double share, std::function<bool()> busy) : share_(share), busy_(std::move(busy)) {}

  // The wait after a piece that took this long.
  absl::Duration PauseAfter(absl::Duration took) const {
    if (took <= absl::ZeroDuration() || !busy_ || !busy_()) return absl::ZeroDuration();
    return took * (1 / share_ - 1);
  }

 private:
  const double share_;
  const std::function<bool()> busy_;
};

}  // namespace s2p

#endif  // S2P_SERVER_VERSIONS_EMBEDDING_PACE_H_

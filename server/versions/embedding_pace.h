// How much of the time the embedding of a gallery may take.
#ifndef S2P_SERVER_VERSIONS_EMBEDDING_PACE_H_
#define S2P_SERVER_VERSIONS_EMBEDDING_PACE_H_

#include <functional>
#include <utility>

#include "absl/time/time.h"

namespace s2p {

// Work that is done in pieces leaves room for live searches: while some wait, it takes at most
// `share` of the time, in (0, 1]; while none do, all of it. Thread-safe if `busy` is.
class EmbeddingPace {
 public:
  // `busy`: live searches are waiting; may be empty, for never.
  EmbeddingPace(double share, std::function<bool()> busy) : share_(share), busy_(std::move(busy)) {}

  // How long to wait after a piece that took so long.
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

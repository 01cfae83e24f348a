// Places, or bytes, that callers hold.
#ifndef S2P_DAEMON_CALLERS_FAIR_PLACES_H_
#define S2P_DAEMON_CALLERS_FAIR_PLACES_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>

namespace s2p {

// Anybody may take the first `most` places. Once those are taken, callers that hold less than their
// share of `most` may take up to `most` further ones, so that one caller cannot keep the others
// out. Thread-compatible: its owner's mutex guards it.
class FairPlaces {
 public:
  // `most` is at least 1.
  explicit FairPlaces(int64_t most) : most_(most) {}

  // Whether a caller may take `wanted` more.
  bool HasRoom(const std::string& caller, int64_t wanted = 1) const {
    if (wanted <= most_ - taken_) return true;
    const int64_t mine = held(caller);
    const auto callers = static_cast<int64_t>(held_.size()) + (mine == 0 ? 1 : 0);
    return mine + wanted <= std::max<int64_t>(1, most_ / callers) && taken_ + wanted <= 2 * most_;
  }

  // Gives a caller places, whether there is room or not.
  void Take(const std::string& caller, int64_t places = 1) {
    if (places == 0) return;
    held_[caller] += places;
    taken_ += places;
  }
  // Takes back some of the places that the caller holds.
  void Give(const std::string& caller, int64_t places = 1) {
    const auto found = held_.find(caller);
    if (found == held_.end()) return;
    found->second -= places;
    taken_ -= places;
    if (found->second == 0) held_.erase(found);
  }

  int64_t taken() const { return taken_; }
  int64_t held(const std::string& caller) const {
    const auto found = held_.find(caller);
    return found == held_.end() ? 0 : found->second;
  }

 private:
  const int64_t most_;
  int64_t taken_ = 0;
  // By caller; none is 0.
  std::map<std::string, int64_t> held_;
};

}  // namespace s2p

#endif  // S2P_DAEMON_CALLERS_FAIR_PLACES_H_

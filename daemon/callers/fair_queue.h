// A queue in which callers take turns.
#ifndef S2P_DAEMON_CALLERS_FAIR_QUEUE_H_
#define S2P_DAEMON_CALLERS_FAIR_QUEUE_H_

#include <algorithm>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "daemon/callers/fair_places.h"

namespace s2p {

// Items of one caller stay in order; the callers take turns, an item at a time. So whoever sends
// little never waits for the backlog of whoever sends much.
//
// The queue has a number of FairPlaces, so one caller cannot keep the others out either.
// Thread-compatible: its owner's mutex guards it.
template <typename T>
class FairQueue {
 public:
  // `places` is at least 1.
  explicit FairQueue(int places) : places_(places) {}

  // Whether an item of the caller that takes `wanted` places may be pushed.
  bool HasRoom(const std::string& caller, int wanted = 1) const {
    return places_.HasRoom(caller, wanted);
  }

  // Puts an item behind the others of its caller, whether there is room or not.
  void Push(const std::string& caller, T item, int places = 1) {
    auto [found, is_new] = by_caller_.emplace(caller, lines_.end());
    if (is_new) found->second = lines_.insert(lines_.end(), Line{caller, {}});
    found->second->items.emplace_back(std::move(item), places);
    places_.Take(caller, places);
  }

  bool empty() const { return lines_.empty(); }
  // Places that are taken.
  int taken() const { return static_cast<int>(places_.taken()); }

  // The places of the item whose turn it is; not for an empty queue.
  int NextPlaces() const { return lines_.front().items.front().second; }
  // Removes and returns that item; the next one is another caller's, if another waits.
  T Pop() { return PopFrom(lines_.begin()); }

  // Whether an item waits of a caller for whom `may(caller)` is true.
  template <typename May>
  bool HasTurn(const May& may) const {
    return std::any_of(lines_.begin(), lines_.end(),
                       [&](const Line& line) { return may(line.caller); });
  }
  // As Pop, among the callers for whom `may(caller)` is true; the others keep their turns. Nothing
  // if none of them waits.
  template <typename May>
  std::optional<T> PopIf(const May& may) {
    const auto found = std::find_if(lines_.begin(), lines_.end(),
                                    [&](const Line& line) { return may(line.caller); });
    if (found == lines_.end()) return std::nullopt;
    return PopFrom(found);
  }

  // Calls `visit` with each caller's oldest item.
  template <typename Visit>
  void VisitOldest(const Visit& visit) const {
    for (const Line& line : lines_) visit(line.items.front().first);
  }

 private:
  // The items of one caller, with their places.
  struct Line {
    std::string caller;
    std::deque<std::pair<T, int>> items;
  };

  // Takes the oldest item of the line, whose turn is the last one from now on.
  T PopFrom(typename std::list<Line>::iterator line) {
    T item = std::move(line->items.front().first);
    places_.Give(line->caller, line->items.front().second);
    line->items.pop_front();
    if (line->items.empty()) {
      by_caller_.erase(line->caller);
      lines_.erase(line);
    } else {
      lines_.splice(lines_.end(), lines_, line);
    }
    return item;
  }

  FairPlaces places_;
  // In the order of their turns; none is empty.
  std::list<Line> lines_;
  std::map<std::string, typename std::list<Line>::iterator> by_caller_;
};

}  // namespace s2p

#endif  // S2P_DAEMON_CALLERS_FAIR_QUEUE_H_

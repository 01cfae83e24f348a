// What a gallery may hold after a crash, as who wrote to it knows.
#ifndef S2P_TESTS_CRASH_CRASH_TRUTH_H_
#define S2P_TESTS_CRASH_CRASH_TRUTH_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"

namespace s2p::testing {

// What one id may be after a crash: each state is a picture's seed and a note in its metadata, or
// nullopt for absent. An answered write leaves one; one without an answer leaves both.
struct Content {
  uint32_t seed = 0;
  std::string note;
  bool operator==(const Content& other) const { return seed == other.seed && note == other.note; }
};
using State = std::optional<Content>;

inline std::string Described(const State& state) {
  return state ? absl::StrCat("picture ", state->seed, " '", state->note, "'") : "absent";
}

// Thread-safe.
class Truth {
 public:
  void Begin(const std::string& id, const State& next) {
    absl::MutexLock lock(&mutex_);
    std::vector<State>& states = possible_[id];
    if (states.empty()) states.push_back(std::nullopt);
    states.push_back(next);
    if (next) pictures_[id].insert(next->seed);
  }
  void Answered(const std::string& id, const State& next) {
    absl::MutexLock lock(&mutex_);
    possible_[id] = {next};
  }
  State Last(const std::string& id) const {
    absl::MutexLock lock(&mutex_);
    const auto found = possible_.find(id);
    return found == possible_.end() ? State() : found->second.back();
  }
  // Notes what was found; false if it cannot be.
  bool Settle(const std::string& id, const State& found) {
    absl::MutexLock lock(&mutex_);
    std::vector<State>& states = possible_[id];
    const bool possible = std::find(states.begin(), states.end(), found) != states.end();
    if (!possible) {
      for (const State& state : states) {
        ADD_FAILURE() << id << ": may be " << Described(state) << ", is " << Described(found);
      }
    }
    states = {found};
    return possible;
  }
  std::set<uint32_t> PicturesOf(const std::string& id) const {
    absl::MutexLock lock(&mutex_);
    const auto found = pictures_.find(id);
    return found == pictures_.end() ? std::set<uint32_t>() : found->second;
  }
  std::set<std::string> Ids() const {
    absl::MutexLock lock(&mutex_);
    std::set<std::string> ids;
    for (const auto& [id, states] : possible_) ids.insert(id);
    return ids;
  }

 private:
  mutable absl::Mutex mutex_;
  std::map<std::string, std::vector<State>> possible_;
  // All that an id has ever had.
  std::map<std::string, std::set<uint32_t>> pictures_;
};

}  // namespace s2p::testing

#endif  // S2P_TESTS_CRASH_CRASH_TRUTH_H_

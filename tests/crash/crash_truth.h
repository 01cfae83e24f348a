// The possible contents of a gallery after a crash, as its writers know them.
#ifndef S2P_TESTS_CRASH_CRASH_TRUTH_H_
#define S2P_TESTS_CRASH_CRASH_TRUTH_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "s2p/v1/gallery.pb.h"
#include "tests/server/gallery_fixture.h"

namespace s2p::test {

// A picture's seed and a note in the metadata; no content: the id is absent.
struct Content {
  uint32_t seed = 0;
  std::string note;
  bool operator==(const Content& other) const { return seed == other.seed && note == other.note; }
};
using State = std::optional<Content>;

inline std::string Described(const State& state) {
  return state ? absl::StrCat("picture ", state->seed, " '", state->note, "'") : "absent";
}

// For each id, its possible states and their periods: from the start of a write that produces the
// state until a later write is answered. Moments are increasing numbers. Thread-safe.
class Truth {
 public:
  int64_t Now() const {
    absl::MutexLock lock(&mutex_);
    return now_;
  }
  void Begin(const std::string& id, const State& next) {
    absl::MutexLock lock(&mutex_);
    StatesOf(id).push_back({next, ++now_});
  }
  void Answered(const std::string& id, const State& next) {
    absl::MutexLock lock(&mutex_);
    Close(StatesOf(id), next);
  }
  State Last(const std::string& id) const {
    absl::MutexLock lock(&mutex_);
    const auto found = states_.find(id);
    return found == states_.end() ? State() : found->second.back().state;
  }
  // Records the state found after a crash; fails the test if that state is impossible.
  void Settle(const std::string& id, const State& found) {
    absl::MutexLock lock(&mutex_);
    std::vector<Possible>& states = StatesOf(id);
    bool possible = false;
    std::string may;
    for (const Possible& known : states) {
      if (known.end != kNever) continue;
      possible |= known.state == found;
      absl::StrAppend(&may, may.empty() ? "" : " or ", Described(known.state));
    }
    EXPECT_TRUE(possible) << id << ": may be " << may << ", is " << Described(found);
    states = {{found, ++now_}};
  }
  // The pictures that the id may have had between the two moments.
  std::set<uint32_t> Pictures(const std::string& id, int64_t begin, int64_t end) const {
    absl::MutexLock lock(&mutex_);
    std::set<uint32_t> pictures;
    const auto found = states_.find(id);
    if (found == states_.end()) return pictures;
    for (const Possible& known : found->second) {
      if (known.state && known.begin <= end && known.end >= begin) {
        pictures.insert(known.state->seed);
      }
    }
    return pictures;
  }
  std::set<std::string> Ids() const {
    absl::MutexLock lock(&mutex_);
    std::set<std::string> ids;
    for (const auto& [id, states] : states_) ids.insert(id);
    return ids;
  }

 private:
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
  struct Possible {
    State state;
    int64_t begin;
    int64_t end = kNever;
  };

  std::vector<Possible>& StatesOf(const std::string& id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::vector<Possible>& states = states_[id];
    if (states.empty()) states.push_back({std::nullopt, 0});
    return states;
  }
  // All but the last one that is `next`.
  void Close(std::vector<Possible>& states, const State& next)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    ++now_;
    bool kept = false;
    for (auto known = states.rbegin(); known != states.rend(); ++known) {
      const bool keep = !kept && known->state == next;
      kept |= keep;
      if (!keep && known->end == kNever) known->end = now_;
    }
  }

  mutable absl::Mutex mutex_;
  int64_t now_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, std::vector<Possible>> states_ ABSL_GUARDED_BY(mutex_);
};

// A request that stores `content`, whatever the previous content.
inline v1::AddPhotoRequest AddRequest(const std::string& id, const Content& content) {
  v1::AddPhotoRequest request;
  request.set_photo_id(id);
  request.set_image(PhotoBytes(content.seed));
  (*request.mutable_metadata())["note"] = content.note;
  request.set_on_conflict(v1::ON_CONFLICT_REPLACE);
  return request;
}

}  // namespace s2p::test

#endif  // S2P_TESTS_CRASH_CRASH_TRUTH_H_

// The calls of a kind that may run at one time.
#ifndef S2P_DAEMON_CALLERS_CALL_PLACES_H_
#define S2P_DAEMON_CALLERS_CALL_PLACES_H_

#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "daemon/callers/fair_places.h"

namespace s2p {

// Counts them for each caller, so that one caller cannot keep the others out: see FairPlaces. Must
// outlive its places. Thread-safe.
class CallPlaces {
 public:
  // Held by a call while it runs; empty: there was none left. Movable.
  class Place {
   public:
    Place() = default;
    Place(Place&& other) noexcept
        : places_(std::exchange(other.places_, nullptr)), caller_(std::move(other.caller_)) {}
    Place& operator=(Place&& other) noexcept {
      Release();
      places_ = std::exchange(other.places_, nullptr);
      caller_ = std::move(other.caller_);
      return *this;
    }
    ~Place() { Release(); }
    explicit operator bool() const { return places_ != nullptr; }
    void Release() {
      if (places_ != nullptr) std::exchange(places_, nullptr)->Give(caller_);
    }

   private:
    friend class CallPlaces;
    Place(CallPlaces* places, std::string caller) : places_(places), caller_(std::move(caller)) {}
    CallPlaces* places_ = nullptr;
    std::string caller_;
  };

  explicit CallPlaces(int most) : most_(most), places_(most) {}

  int most() const { return most_; }
  Place Take(const std::string& caller) {
    absl::MutexLock lock(&mutex_);
    if (!places_.HasRoom(caller)) return Place();
    places_.Take(caller);
    return Place(this, caller);
  }

 private:
  void Give(const std::string& caller) {
    absl::MutexLock lock(&mutex_);
    places_.Give(caller);
  }

  const int most_;
  absl::Mutex mutex_;
  FairPlaces places_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace s2p

#endif  // S2P_DAEMON_CALLERS_CALL_PLACES_H_

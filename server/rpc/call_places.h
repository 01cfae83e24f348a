// The calls of a kind that may run at one time.
#ifndef S2P_SERVER_RPC_CALL_PLACES_H_
#define S2P_SERVER_RPC_CALL_PLACES_H_

#include <atomic>
#include <utility>

namespace s2p {

// Counts them. Thread-safe.
class CallPlaces {
 public:
  // Held by a call while it runs; empty: there was none left. Movable.
  class Place {
   public:
    Place() = default;
    Place(Place&& other) noexcept : places_(std::exchange(other.places_, nullptr)) {}
    Place& operator=(Place&& other) noexcept {
      Release();
      places_ = std::exchange(other.places_, nullptr);
      return *this;
    }
    ~Place() { Release(); }
    explicit operator bool() const { return places_ != nullptr; }
    void Release() {
      if (places_ != nullptr) --std::exchange(places_, nullptr)->taken_;
    }

   private:
    friend class CallPlaces;
    explicit Place(CallPlaces* places) : places_(places) {}
    CallPlaces* places_ = nullptr;
  };

  explicit CallPlaces(int most) : most_(most) {}

  int most() const { return most_; }
  Place Take() {
    if (taken_.fetch_add(1) < most_) return Place(this);
    --taken_;
    return Place();
  }

 private:
  const int most_;
  std::atomic<int> taken_{0};
};

}  // namespace s2p

#endif  // S2P_SERVER_RPC_CALL_PLACES_H_

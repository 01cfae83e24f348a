// A bound on the bytes that many requests hold together.
#ifndef S2P_DAEMON_HTTP_MEMORY_LIMIT_H_
#define S2P_DAEMON_HTTP_MEMORY_LIMIT_H_

#include <atomic>
#include <cstdint>

namespace s2p {

// A number of bytes that holders share; one that finds no room is refused. (Budget in
// server/decoder/ makes it wait, ByteBudget in server/rpc/ calls back.) Thread-safe.
class MemoryLimit {
 public:
  // One holder's part, given back when it dies. The limit is borrowed and must outlive it.
  // Thread-compatible.
  class Share {
   public:
    explicit Share(MemoryLimit* limit) : limit_(limit) {}
    ~Share() { Release(); }
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;

    // Holds `bytes` in all from now on. False, and nothing changes, if there is no room for more;
    // less always fits.
    bool Hold(uint64_t bytes) {
      if (bytes > held_ && !limit_->Take(bytes - held_)) return false;
      if (bytes < held_) limit_->Give(held_ - bytes);
      held_ = bytes;
      return true;
    }
    void Release() { Hold(0); }
    // More than this never fits.
    uint64_t most() const { return limit_->most(); }

   private:
    MemoryLimit* const limit_;
    uint64_t held_ = 0;
  };

  // `outer`, if there is one, is a limit that what is held here counts in, too. It is borrowed and
  // must outlive this one.
  explicit MemoryLimit(uint64_t bytes, MemoryLimit* outer = nullptr)
      : bytes_(bytes), outer_(outer) {}
  uint64_t used() const { return used_; }

 private:
  bool Take(uint64_t bytes) {
    uint64_t used = used_;
    do {
      if (bytes > bytes_ || used > bytes_ - bytes) return false;
    } while (!used_.compare_exchange_weak(used, used + bytes));
    if (outer_ == nullptr || outer_->Take(bytes)) return true;
    used_ -= bytes;
    return false;
  }
  void Give(uint64_t bytes) {
    used_ -= bytes;
    if (outer_ != nullptr) outer_->Give(bytes);
  }
  uint64_t most() const {
    return outer_ != nullptr && outer_->most() < bytes_ ? outer_->most() : bytes_;
  }

  const uint64_t bytes_;
  MemoryLimit* const outer_;
  std::atomic<uint64_t> used_{0};
};

}  // namespace s2p

#endif  // S2P_DAEMON_HTTP_MEMORY_LIMIT_H_

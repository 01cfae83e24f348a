// Frees retired objects on a thread of its own.
#ifndef S2P_SERVER_GALLERY_REAPER_H_
#define S2P_SERVER_GALLERY_REAPER_H_

#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace s2p {

// A retired model or gallery view takes long to free, and its last owner may be anyone: a batch, a
// request, a writer under its lock. When the last copy of a guarded pointer goes, the object moves
// to the reaper's thread and dies there. The thread starts with the first such object. Thread-safe.
class Reaper {
 public:
  Reaper() : queue_(std::make_shared<Queue>()) {}
  // Frees everything that was handed over. An object that is dropped later is freed by its last
  // owner.
  ~Reaper() { queue_->Stop(); }

  // Returns a guarded pointer to the object. Other owners should drop theirs first.
  template <typename T>
  std::shared_ptr<const T> Guard(std::shared_ptr<const T> object) const {
    if (object == nullptr) return nullptr;
    const T* const pointer = object.get();
    return std::shared_ptr<const T>(pointer,
                                    [queue = queue_, owner = std::move(object)](const T*) mutable {
                                      queue->Take(std::move(owner));
                                    });
  }

 private:
  // Shared with the guarded pointers, which may outlive the reaper.
  class Queue {
   public:
    void Take(std::shared_ptr<const void> object);
    // Returns when nothing is waiting and the thread has ended.
    void Stop();

   private:
    void Work();

    absl::Mutex mutex_;
    std::vector<std::shared_ptr<const void>> waiting_ ABSL_GUARDED_BY(mutex_);
    bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
    // The thread has ended or will never start.
    bool ended_ ABSL_GUARDED_BY(mutex_) = false;
    // Started under the lock, joined by Stop.
    std::thread thread_;
  };

  const std::shared_ptr<Queue> queue_;
};

}  // namespace s2p

#endif  // S2P_SERVER_GALLERY_REAPER_H_

// Frees what was retired, on a thread of its own.
#ifndef S2P_SERVER_GALLERY_REAPER_H_
#define S2P_SERVER_GALLERY_REAPER_H_

#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace s2p {

// A retired model or gallery view takes long to free, and nobody knows who drops it last: a batch,
// a request, a writer under its lock. A guarded pointer hands the object to the reaper's thread
// then, whoever that is. The thread starts with the first of them. Thread-safe.
class Reaper {
 public:
  Reaper() : queue_(std::make_shared<Queue>()) {}
  // Frees what was handed over. An object that is dropped later is freed by who drops it.
  ~Reaper() { queue_->Stop(); }

  // The same object; its other owners, if there are any, should drop it before the returned one.
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
  // Outlives the reaper for as long as a guarded pointer does.
  class Queue {
   public:
    void Take(std::shared_ptr<const void> object);
    // Returns when nothing waits any more, and the thread has ended.
    void Stop();

   private:
    void Work();

    absl::Mutex mutex_;
    std::vector<std::shared_ptr<const void>> waiting_ ABSL_GUARDED_BY(mutex_);
    bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
    // The thread has ended, or will never start.
    bool ended_ ABSL_GUARDED_BY(mutex_) = false;
    // Started under the lock, joined by Stop.
    std::thread thread_;
  };

  const std::shared_ptr<Queue> queue_;
};

}  // namespace s2p

#endif  // S2P_SERVER_GALLERY_REAPER_H_

// The ids that are written while something is made from an older state of the gallery.
#ifndef S2P_SERVER_GALLERY_WRITE_LOG_H_
#define S2P_SERVER_GALLERY_WRITE_LOG_H_

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace s2p {

// Writers record ids after the write is visible; a reader opened before a state was read learns
// every id that this state may lack, and catches up:
//
//   WriteLog::Reader written(&log);
//   auto view = ...;                      // made from the catalogue, slowly
//   writer.Exclusively([&](Catalogue&) {
//     auto ids = written.Take();          // nothing is written until this ends: apply, publish
//   });
//
// Thread-safe; costs nothing while nobody reads.
class WriteLog {
 public:
  // Collects the ids recorded during its life. Must die before the log. Thread-safe.
  class Reader {
   public:
    explicit Reader(WriteLog* log);
    ~Reader();
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    // The ids since the last call, ascending, each once.
    std::vector<std::string> Take();

   private:
    WriteLog* const log_;
  };

  void Record(const std::string& photo_id);

 private:
  absl::Mutex mutex_;
  std::map<const Reader*, std::set<std::string>> written_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace s2p

#endif  // S2P_SERVER_GALLERY_WRITE_LOG_H_

// Keeps the index of the serving view small and whole.
#ifndef S2P_SERVER_GALLERY_COMPACTOR_H_
#define S2P_SERVER_GALLERY_COMPACTOR_H_

#include <functional>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/gallery/gallery_writer.h"
#include "server/gallery/serving_view.h"
#include "server/gallery/write_log.h"
#include "server/index/index_builder.h"

namespace s2p {

// Folds a view's tail and removals into a new base when they have grown, on a thread of low
// priority that no search and no write waits for. The thread runs from construction to destruction.
// Thread-safe.
class Compactor {
 public:
  // Told the outcome of each compaction and the time it took, on the compactor's thread. Not called
  // if another version began to serve meanwhile: its base is new.
  using Report = std::function<void(const absl::Status&, absl::Duration)>;

  // Borrows all but the report, which may be empty.
  Compactor(ServingView* serving, GalleryWriter* writer, WriteLog* log, const IndexBuilder* indexes,
            Report report);
  // Closes the serving view and waits for the thread.
  ~Compactor();

 private:
  void Run();
  // Aborted if another version serves now.
  absl::Status Compact();

  ServingView& serving_;
  GalleryWriter& writer_;
  WriteLog& log_;
  const IndexBuilder& indexes_;
  const Report report_;
  std::thread thread_;
};

}  // namespace s2p

#endif  // S2P_SERVER_GALLERY_COMPACTOR_H_

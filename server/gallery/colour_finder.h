// Looks for the colours of photos that have none yet.
#ifndef S2P_SERVER_GALLERY_COLOUR_FINDER_H_
#define S2P_SERVER_GALLERY_COLOUR_FINDER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/steady_wait.h"
#include "image/image.h"
#include "server/gallery/catalogue_reader.h"
#include "server/gallery/gallery_writer.h"
#include "server/storage/blob_store.h"

namespace s2p {

struct ColourFinderOptions {
  // Decodes a photo. Unavailable, ResourceExhausted and Cancelled say nothing about it: the photo
  // is tried again after `retry_after`. After any other error it keeps having no colours, until
  // the next start.
  std::function<absl::StatusOr<Image>(absl::string_view bytes)> decode;
  absl::Duration retry_after = absl::Minutes(1);
  // Optional: told how many photos got colours, and how many have none because they cannot be read,
  // when all have been looked at. On the finder's thread.
  std::function<void(int64_t found, int64_t unreadable)> on_done;
};

// Photos that are added bring their colours along. Those of older galleries, and all when
// kDominantColoursMethod changes, are decoded once more, one after the other, on a thread of low
// priority that rests as long as it works. The thread runs from construction until all photos have
// been looked at, or to destruction. What it has found is stored along the way, so it resumes after
// a restart. It reports no damaged photo: whoever needs that photo does. Thread-safe.
class ColourFinder {
 public:
  // Borrows all but the options, whose `decode` must be set. `pending` are the photos without
  // colours.
  ColourFinder(const CatalogueReader* reader, const BlobStore* blobs, GalleryWriter* writer,
               int64_t pending, ColourFinderOptions options);
  // Waits for the photo that is being decoded.
  ~ColourFinder();

  // Photos that have no colours as far as is known, those that cannot be read included.
  int64_t pending() const { return pending_; }

 private:
  void Run();
  // Looks at the next few photos. False if there are no more.
  absl::StatusOr<bool> FindSome();
  // Waits, or until the end. True at the end.
  bool Rest(absl::Duration duration);

  const CatalogueReader& reader_;
  const BlobStore& blobs_;
  GalleryWriter& writer_;
  const ColourFinderOptions options_;
  std::atomic<int64_t> pending_;

  absl::Mutex mutex_;
  SteadyWait changed_;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;

  // Used by the thread alone: the last id that was looked at.
  std::string after_;
  int64_t found_ = 0;
  std::thread thread_;
};

}  // namespace s2p

#endif  // S2P_SERVER_GALLERY_COLOUR_FINDER_H_

// One connection to the catalogue for reading, shared by threads.
#ifndef S2P_SERVER_GALLERY_CATALOGUE_READER_H_
#define S2P_SERVER_GALLERY_CATALOGUE_READER_H_

#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/gallery/catalogue.h"

namespace s2p {

// Rows that one call reads at most, so that other readers wait only briefly.
inline constexpr int kCataloguePageSize = 256;

// Readers take turns, and never wait for a writer. Thread-safe.
//
//   auto found = reader.Read([&](const Catalogue& catalogue) { return catalogue.Find("a"); });
class CatalogueReader {
 public:
  explicit CatalogueReader(std::unique_ptr<const Catalogue> catalogue)
      : catalogue_(std::move(catalogue)) {}

  // Returns what `read` returns. `read` must be short and must not keep the reference.
  template <typename Reading>
  auto Read(const Reading& read) const {
    absl::MutexLock lock(&mutex_);
    return read(*catalogue_);
  }

 private:
  mutable absl::Mutex mutex_;
  const std::unique_ptr<const Catalogue> catalogue_ ABSL_PT_GUARDED_BY(mutex_);
};

}  // namespace s2p

#endif  // S2P_SERVER_GALLERY_CATALOGUE_READER_H_

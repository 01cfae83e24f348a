// Which versions' embeddings and indexes a gallery keeps.
#ifndef S2P_SERVER_GALLERY_KEPT_VERSIONS_H_
#define S2P_SERVER_GALLERY_KEPT_VERSIONS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "server/gallery/catalogue.h"
#include "server/gallery/gallery_writer.h"
#include "server/index/index_builder.h"

namespace s2p {

// Keeps those that served last, so that rolling back embeds only what was added since. The version
// that served before a restart and serves again counts only when another one follows: until then
// nothing is dropped, because an embedding that the restart interrupted may still be wanted.
// Thread-compatible.
class KeptVersions {
 public:
  // Keeps `most` versions, the serving one included.
  explicit KeptVersions(int most) : most_(most) {}

  // Records that `version` now serves. `resumed`: it is the first since the start, and most of the
  // gallery was embedded with it already. Errors are ignored: old embeddings then stay a while
  // longer.
  void NoteServing(int64_t version, bool resumed, Catalogue& catalogue);

  // Drops the embeddings and index files of all other versions, a few at a time so that writes
  // continue. Drops nothing unless `serving` is noted: the disk may have been full.
  absl::Status DropRetired(int64_t serving, GalleryWriter& writer, const IndexBuilder& indexes);

 private:
  const int most_;
  // Serves since the start without having been noted; 0: none.
  int64_t unnoted_version_ = 0;
};

}  // namespace s2p

#endif  // S2P_SERVER_GALLERY_KEPT_VERSIONS_H_

// Makes a version of the model serve the gallery.
#ifndef S2P_SERVER_GALLERY_ACTIVATION_H_
#define S2P_SERVER_GALLERY_ACTIVATION_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "daemon/disk_space.h"
#include "image/image.h"
#include "model/encoder.h"
#include "server/gallery/catalogue_reader.h"
#include "server/gallery/gallery_writer.h"
#include "server/gallery/kept_versions.h"
#include "server/gallery/serving_view.h"
#include "server/gallery/write_log.h"
#include "server/index/index_builder.h"
#include "server/storage/blob_store.h"

namespace s2p {

// Reports of a running activation. Each may be empty; all are called on the thread that activates.
struct ActivationCallbacks {
  // Items embedded so far, and in all. Called after each batch, so it must be quick.
  std::function<void(int64_t done, int64_t total)> progress;
  // An item that cannot be embedded: its bytes are damaged, the encoder refuses them, or each
  // attempt to decode it took too long (DeadlineExceeded). It stays in the gallery but is left out
  // of the view, and the next version tries it again.
  std::function<void(const std::string& photo_id, const absl::Status& reason)> on_left_out;
  // Called with the time that a batch took, after it is stored and with no lock held. May wait, to
  // leave room for searches: except near the end, where waiting would let new photos come as fast
  // as they are embedded, or adds are on hold, and `took` is zero. An error ends the activation and
  // is its result; nothing is published.
  std::function<absl::Status(absl::Duration took)> after_batch;
};

// The parts of a gallery that an activation works with; borrowed.
struct ActivationParts {
  // The catalogue's file.
  std::string catalogue;
  std::function<absl::StatusOr<Image>(absl::string_view)> decode;
  const BlobStore* blobs = nullptr;
  const IndexBuilder* indexes = nullptr;
  const CatalogueReader* reader = nullptr;
  GalleryWriter* writer = nullptr;
  WriteLog* log = nullptr;
  ServingView* serving = nullptr;
  KeptVersions* kept = nullptr;
  const DiskReserve* reserve = nullptr;
};

// Embeds every item that the version has not seen, builds the view, and publishes both. Errors as
// Gallery::Activate. One activation at a time.
absl::Status Activate(const ActivationParts& parts, std::shared_ptr<const Encoder> encoder,
                      const ActivationCallbacks& callbacks);

}  // namespace s2p

#endif  // S2P_SERVER_GALLERY_ACTIVATION_H_

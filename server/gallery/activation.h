// Makes a version of the model serve the gallery.
#ifndef S2P_SERVER_GALLERY_ACTIVATION_H_
#define S2P_SERVER_GALLERY_ACTIVATION_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "model/encoder.h"
#include "model/image.h"
#include "server/gallery/blob_store.h"
#include "server/gallery/catalogue.h"
#include "server/gallery/catalogue_reader.h"
#include "server/gallery/gallery_embedder.h"
#include "server/gallery/gallery_writer.h"
#include "server/gallery/indexed_gallery_view.h"
#include "server/gallery/kept_versions.h"
#include "server/gallery/serving_view.h"
#include "server/gallery/write_log.h"
#include "server/index/index_builder.h"

namespace s2p {

// Reports of a running activation. Each may be empty; all are called on the thread that activates.
struct ActivationCallbacks {
  // Items embedded so far, and in all. Called after each batch, so it must be quick.
  std::function<void(int64_t done, int64_t total)> progress;
  // An item that cannot be embedded, because its bytes are damaged or the encoder refuses them. It
  // stays in the gallery but is left out of the view.
  std::function<void(const std::string& photo_id, const absl::Status& reason)> on_damaged;
  // Called with the time that a batch took, after it is stored and with no lock held. May wait, to
  // leave room for searches: except near the end, where waiting would let new photos come as fast
  // as they are embedded, and `took` is zero. An error ends the activation and is its result;
  // nothing is published.
  std::function<absl::Status(absl::Duration took)> after_batch;
};

// The parts of a gallery that an activation works with; borrowed.
struct ActivationParts {
  // The catalogue's file.
  std::string catalogue;
  ImageLimits image_limits;
  const BlobStore* blobs = nullptr;
  const IndexBuilder* indexes = nullptr;
  const CatalogueReader* reader = nullptr;
  GalleryWriter* writer = nullptr;
  WriteLog* log = nullptr;
  ServingView* serving = nullptr;
  KeptVersions* kept = nullptr;
};

// One run: embeds every item that the version has not seen, builds the view, and publishes both.
// Photos arrive meanwhile, so this is done in passes: all that is missing, then what arrived during
// that, then the view, then what arrived while it was built, and the last few items while writers
// wait. Every batch is stored, so a run that was interrupted resumes. One thread only, and one
// activation at a time.
class Activation {
 public:
  // Borrows `parts` and `callbacks`.
  Activation(const ActivationParts& parts, std::shared_ptr<const Encoder> encoder,
             const ActivationCallbacks& callbacks);

  // As Gallery::Activate.
  absl::Status Run();

 private:
  using View = std::shared_ptr<const IndexedGalleryView>;
  using Store = std::function<absl::Status(const std::vector<EmbeddedItem>&)>;

  // The current state of items that were written after the view was read.
  struct Changes {
    std::vector<GalleryRow> upserted;
    std::vector<std::string> removed;
    // Not yet embedded.
    std::vector<CatalogueItem> missing;
  };

  // Embeds all that is missing, and returns how many items that were.
  absl::StatusOr<size_t> EmbedMissing();
  absl::Status StoreBatch(const std::vector<EmbeddedItem>& embedded);
  absl::Status PutEmbeddings(Catalogue& catalogue, const std::vector<EmbeddedItem>& embedded);
  void CountDone(size_t embedded);
  void LeaveOut(const CatalogueItem& item, const absl::Status& reason);
  // Builds the view of everything that is embedded.
  absl::StatusOr<View> LoadView() const;
  absl::StatusOr<Changes> FindChanges(const Catalogue& catalogue,
                                      absl::Span<const std::string> ids) const;
  // Embeds and stores what is missing in the changes, and returns the view with all of them.
  absl::StatusOr<View> Apply(const IndexedGalleryView& view, Changes changes, const Store& store);
  absl::StatusOr<View> CaughtUp(const IndexedGalleryView& view, absl::Span<const std::string> ids);
  // Publishes the view with all later writes, if at most `most` items have to be embedded for that;
  // else returns the ids that were written.
  absl::StatusOr<std::vector<std::string>> TrySwap(const IndexedGalleryView& view,
                                                   WriteLog::Reader& written, size_t most);

  const ActivationParts& parts_;
  const std::shared_ptr<const Encoder> encoder_;
  const int64_t version_;
  const ActivationCallbacks& callbacks_;
  const GalleryEmbedder embedder_;
  int64_t total_ = 0;
  int64_t done_ = 0;
  // Room is left for searches.
  bool patient_ = true;
  bool embedded_any_ = false;
  // Keys of items that cannot be embedded.
  std::set<int64_t> damaged_;
  absl::Time batch_start_;
};

}  // namespace s2p

#endif  // S2P_SERVER_GALLERY_ACTIVATION_H_

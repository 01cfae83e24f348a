// A request to the batcher, and its answer.
#ifndef S2P_SERVER_SEARCH_BATCH_REQUEST_H_
#define S2P_SERVER_SEARCH_BATCH_REQUEST_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/steady_time.h"
#include "model/encoder.h"
#include "server/gallery/gallery_view.h"
#include "server/gallery/snapshot.h"

namespace s2p {

// The answer to a request: its rows of the batch, and the snapshot that the whole batch used. A
// value; thread-compatible.
struct BatchResult {
  std::shared_ptr<const Snapshot> snapshot;
  // Rows in the order of the request's images; times are the whole batch's.
  Encoding encoding;
  // Matches of the request's query, if it has one, in the snapshot's gallery.
  std::vector<GalleryMatch> matches;
  // Before its batch was encoded, and then until the batch was searched for.
  absl::Duration queue_time;
  // For the whole batch.
  absl::Duration search_time;
};

// One request: images to embed with one snapshot, perhaps none, and perhaps a search. A value;
// thread-compatible.
struct BatchRequest {
  enum class Priority {
    // Someone is waiting.
    kLive,
    // Photos being added; they run when no live request waits, or fill up a batch within a bound.
    kBackground
  };

  std::vector<Image> images;
  // One per image.
  std::vector<v1::Modality> modalities;
  // Empty, or one per image: PreprocessImages fills it. The images are kept nevertheless, since
  // another version may serve when their turn comes.
  std::vector<PreprocessedImage> preprocessed;
  // Optional: computes the query vector (one row) for the snapshot's gallery from the embeddings of
  // the images. Its error becomes the request's.
  std::function<absl::StatusOr<EmbeddingMatrix>(const EmbeddingMatrix&, const GalleryView&)> query;
  GallerySearchOptions search;
  Priority priority = Priority::kLive;
  // Whose turn a live request is, as Caller::queue. Background requests keep their order.
  std::string caller;
  // The request is dropped before its encoding, or before its search, once this has passed or
  // `cancelled` (optional; called on other threads, one at a time) returns true.
  SteadyTime deadline = SteadyTime::InfiniteFuture();
  std::function<bool()> cancelled;
  // Called exactly once, on the batcher's thread that answers, so its work delays the answers to
  // the next batch, but not its encoding. A request that is no longer wanted when its batch is
  // encoded is answered before that, on the thread that encodes. Unavailable before the first
  // model; DeadlineExceeded, Cancelled; else as Encoder::Encode, `query` and GalleryView::Search.
  std::function<void(absl::StatusOr<BatchResult>)> done;
};

// OK while the request is worth computing; else Cancelled or, if its deadline is not after `now`,
// DeadlineExceeded.
absl::Status CheckWanted(const BatchRequest& request, SteadyTime now = SteadyTime::Now());

// Preprocesses the request's images on the caller's thread for the model that serves now, so that
// its batch need not; does nothing before the first model. If another version serves when the batch
// is encoded, that preprocesses them again. Errors as Encoder::Preprocess and CheckWanted, which is
// asked before each image.
absl::Status PreprocessImages(const SnapshotSlot& slot, BatchRequest& request);

// Memory that the request's pixels take, preprocessed ones included. It can be more than what their
// decoding took, if the images are smaller than the network's input.
int64_t PixelBytes(const BatchRequest& request);

}  // namespace s2p

#endif  // S2P_SERVER_SEARCH_BATCH_REQUEST_H_

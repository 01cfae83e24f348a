// Requests that are computed together: one forward pass, then one pass of the index.
#ifndef S2P_SERVER_SEARCH_BATCH_H_
#define S2P_SERVER_SEARCH_BATCH_H_

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/steady_time.h"
#include "model/embedding.h"
#include "server/gallery/snapshot.h"
#include "server/search/batch_request.h"

namespace s2p {

// The cost of one batch, for metrics and estimates. A value; thread-compatible.
struct BatchReport {
  // In the forward pass.
  int images = 0;
  absl::Duration preprocess_time;
  absl::Duration encode_time;
  // 0 if no request searched.
  int queries = 0;
  absl::Duration search_time;
  // Places, as Batch::places counts them, of the requests that were computed.
  int places = 0;
  // The longer of the times that Encode and Search took, since batches follow one another no
  // faster. Without a search, that of Encode.
  absl::Duration pace;
};

// Filled by Add, then computed by Encode, Search and Answer, called once each in this order; the
// threads may differ. All of it uses one snapshot, so no answer mixes versions. If the batch fails,
// each request is retried alone, so that one bad request cannot fail the others. Thread-compatible.
class Batch {
 public:
  using Clock = std::function<SteadyTime()>;

  // `clock` tells the time for deadlines and for what the report states; tests replace it.
  explicit Batch(Clock clock = &SteadyTime::Now) : clock_(std::move(clock)) {}
  Batch(Batch&&) = default;
  Batch& operator=(Batch&&) = default;

  // `since`: when the request began to wait.
  void Add(BatchRequest request, SteadyTime since);

  // Images; a request without any counts as one.
  static int PlacesOf(const BatchRequest& request) {
    return std::max(1, static_cast<int>(request.images.size()));
  }
  bool empty() const { return entries_.empty(); }
  // The places of all requests that were added.
  int places() const { return places_; }

  // Answers the requests that are no longer wanted (Cancelled, DeadlineExceeded), and forgets them.
  // Then gives each of the others its rows, or its error: Unavailable if `snapshot` is null. Frees
  // the images.
  void Encode(std::shared_ptr<const Snapshot> snapshot);
  // Searches for each request that has a query, is still wanted, and has no error.
  void Search();
  // Calls `done` of each request that Encode has not answered, in the order of Add.
  void Answer();

  const BatchReport& report() const { return report_; }

 private:
  struct Entry {
    BatchRequest request;
    SteadyTime since;
    absl::StatusOr<BatchResult> result;
    // The query vector: one row if the request searches, else none.
    EmbeddingMatrix query;
  };

  void AnswerUnwanted();
  // Requests that have no error so far.
  std::vector<Entry*> Computed();
  void GiveRows(const absl::StatusOr<Encoding>& encoding, absl::Span<Entry* const> entries);
  absl::StatusOr<Encoding> EncodeImages(absl::Span<Entry* const> entries) const;
  std::vector<Entry*> MakeQueries();
  absl::Status SearchFor(absl::Span<Entry* const> searching) const;

  Clock clock_;
  std::shared_ptr<const Snapshot> snapshot_;
  // When Encode returned.
  SteadyTime encoded_;
  // A deque, since a vector that grows may copy images.
  std::deque<Entry> entries_;
  int places_ = 0;
  BatchReport report_;
};

}  // namespace s2p

#endif  // S2P_SERVER_SEARCH_BATCH_H_

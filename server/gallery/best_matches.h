// The best matches of one query so far.
#ifndef S2P_SERVER_GALLERY_BEST_MATCHES_H_
#define S2P_SERVER_GALLERY_BEST_MATCHES_H_

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "server/gallery/gallery_view.h"

namespace s2p {

// How many rows, by score, are candidates for the final ranking: top_k, or with colour preferences
// max(2000, 20 * top_k), so that colours can lift a row from far down.
int CandidatesOf(const GallerySearchOptions& options);

// Keeps at most CandidatesOf(options) of the rows it is offered, none below min_score. Ties are
// decided by id, so the outcome does not depend on the order of the offers. Thread-compatible.
class BestMatches {
 public:
  // Borrows the query, a unit vector.
  BestMatches(absl::Span<const float> query, const GallerySearchOptions& options);

  // Keeps the row if it is among the best. The attributes must live as long as the matches.
  void Offer(const std::shared_ptr<const GalleryItem>& item, absl::Span<const float> embedding,
             absl::Span<const float> attributes);

  bool is_full() const { return heap_.size() >= most_; }
  // True if a row whose score is at most `score` can be among the best. A tie can, by its id.
  bool CanEnter(float score) const;

  // The best top_k of what was kept, by descending score + colour_score. Leaves this empty.
  std::vector<GalleryMatch> Take();

 private:
  const absl::Span<const float> query_;
  const size_t top_k_;
  // Rows that are kept until Take.
  const size_t most_;
  const std::vector<ColourPreference> colours_;
  const float min_score_;
  const float tolerance_;
  // The worst at the front.
  std::vector<GalleryMatch> heap_;
};

}  // namespace s2p

#endif  // S2P_SERVER_GALLERY_BEST_MATCHES_H_

// Triplets of a batch's photos, in the order that a network has which does not learn.
#ifndef S2P_TRAINER_DATA_PHOTO_TRIPLETS_H_
#define S2P_TRAINER_DATA_PHOTO_TRIPLETS_H_

#include <cstdint>
#include <vector>

#include "model/embedding.h"

namespace s2p {

// Three different photos, by their places in a batch: `nearer` is at least as similar to `anchor`
// as `farther` is. A value.
struct PhotoTriplet {
  int anchor = 0;
  int nearer = 0;
  int farther = 0;
};

// With fewer photos a batch has no triplet.
inline constexpr int kFewestPhotosToRank = 3;

// Draws the triplets of K. Li, K. Pang and Y.-Z. Song, "Photo Pre-Training, But for Sketch" (CVPR
// 2023, section 2.1): at random over all levels of similarity, not from the nearest photos alone.
// The order of two photos (R, eq. 2 there) is computed when they are drawn: the paper's table of
// all photos would have as many entries as there are pairs of them, and a batch needs a few
// hundred. Immutable.
class PhotoTripletSampler {
 public:
  // `embeddings` has a row of L2 norm 1 for each photo. Requires per_anchor > 0.
  PhotoTripletSampler(EmbeddingMatrix embeddings, int per_anchor);

  // `photos` are the rows of a batch's photos. Returns `per_anchor` triplets of each, one anchor
  // after the other; none if there are fewer than kFewestPhotosToRank. All pairs of other photos
  // are equally likely, and may be drawn again. Where both are equally similar to the anchor, the
  // first one drawn is the nearer, as in the paper. A function of its arguments.
  std::vector<PhotoTriplet> Draw(const std::vector<int>& photos, uint64_t seed) const;

 private:
  const EmbeddingMatrix embeddings_;
  const int per_anchor_;
};

}  // namespace s2p

#endif  // S2P_TRAINER_DATA_PHOTO_TRIPLETS_H_

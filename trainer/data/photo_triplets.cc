#include "trainer/data/photo_triplets.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "trainer/data/random.h"

namespace s2p {

PhotoTripletSampler::PhotoTripletSampler(EmbeddingMatrix embeddings, int per_anchor)
    : embeddings_(std::move(embeddings)), per_anchor_(per_anchor) {
  S2P_CHECK(per_anchor_ > 0);
}

std::vector<PhotoTriplet> PhotoTripletSampler::Draw(const std::vector<int>& photos,
                                                    uint64_t seed) const {
  const auto count = static_cast<int>(photos.size());
  std::vector<PhotoTriplet> triplets;
  if (count < kFewestPhotosToRank) return triplets;
  const auto similarity = [&](int a, int b) {
    return CosineSimilarity(embeddings_.row(photos[a]), embeddings_.row(photos[b]));
  };
  Random random(seed);
  for (int anchor = 0; anchor < count; ++anchor) {
    for (int draw = 0; draw < per_anchor_; ++draw) {
      int first = random.Index(count - 1);
      if (first >= anchor) ++first;
      int second = random.Index(count - 2);
      const auto [low, high] = std::minmax(anchor, first);
      if (second >= low) ++second;
      if (second >= high) ++second;
      PhotoTriplet triplet{anchor, first, second};
      if (similarity(anchor, first) < similarity(anchor, second)) {
        std::swap(triplet.nearer, triplet.farther);
      }
      triplets.push_back(triplet);
    }
  }
  return triplets;
}

}  // namespace s2p

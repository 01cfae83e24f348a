// Which images make up each batch.
#ifndef S2P_TRAINER_DATA_SAMPLER_H_
#define S2P_TRAINER_DATA_SAMPLER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace s2p {

// A sketch and a photo of one identity, as indices into their LabelledImages.
struct SampledPair {
  int photo = 0;
  int sketch = 0;
};

// Batches of `identities_per_batch` distinct identities with `images_per_identity` images each
// (Hermans et al. 2017, "PK sampling"): every anchor has a positive that is not itself. Every image
// appears once an epoch: the images of an identity are dealt in groups of images_per_identity, and
// a last group that is short is filled with other images of the identity. The groups are dealt into
// ceil(groups / identities_per_batch) batches whose sizes differ by at most one group, and no batch
// has a single identity. Where a few identities have most of the images, there are fewer batches,
// and such an identity has one group, drawn at random, in each. Immutable; an epoch is a function
// of (seed, epoch). Planning one takes nearly linear time.
class IdentitySampler {
 public:
  // `labels` has one identity number (0, 1, ...) per image. InvalidArgument if there are fewer than
  // two identities or images_per_identity < 1. With fewer identities than identities_per_batch, a
  // batch has all of them.
  static absl::StatusOr<IdentitySampler> Create(std::vector<int> labels, int identities_per_batch,
                                                int images_per_identity, uint64_t seed);
  // Image indices, batch after batch.
  std::vector<std::vector<int>> Epoch(int epoch) const;

 private:
  IdentitySampler() = default;
  std::vector<std::vector<int>> images_of_;  // by identity
  int identities_per_batch_ = 0;
  int images_per_identity_ = 0;
  uint64_t seed_ = 0;
};

// How often people's sketches are drawn next to pseudo-sketches. A value.
struct PairShare {
  // The last sketches, this many, are pseudo-sketches.
  int made = 0;
  // The largest share of the pairs of an epoch whose sketches are the others, in (0, 1). 0: each
  // sketch once.
  double human_share = 0;
};

// No sketch is drawn more often in an epoch, whatever the share: it would be learned by heart.
inline constexpr int kMostRepeats = 8;

// Batches of sketch/photo pairs of distinct identities. Every sketch appears once an epoch, with a
// photo of its identity drawn at random: n sketches make ceil(n / pairs_per_batch) batches whose
// sizes differ by at most one pair, and no batch has a single pair unless there is no second
// identity. Where a few identities have most of the sketches, there are fewer batches, and such an
// identity has one sketch, drawn at random, in each. With a human_share an epoch has as many
// batches as it has without such identities, and sketches of either kind are left out or repeated,
// at random and as evenly as can be, to give it that share; people's get less where few sketches,
// or few identities, would have to be repeated too often. Immutable; an epoch is a function of
// (seed, epoch). Planning one takes nearly linear time.
class PairSampler {
 public:
  // Labels per photo and per sketch. InvalidArgument if no identity has both, or pairs_per_batch
  // is below 2. With fewer identities than pairs_per_batch, a batch has a pair of each.
  static absl::StatusOr<PairSampler> Create(std::vector<int> photo_labels,
                                            std::vector<int> sketch_labels, int pairs_per_batch,
                                            uint64_t seed, PairShare share = {});
  std::vector<std::vector<SampledPair>> Epoch(int epoch) const;

 private:
  PairSampler() = default;
  // The sketches of an epoch, by identity.
  std::vector<std::vector<int>> SketchesOf(int epoch) const;
  std::vector<std::vector<int>> photos_of_;
  std::vector<std::vector<int>> sketches_of_;
  int pairs_per_batch_ = 0;
  uint64_t seed_ = 0;
  double human_share_ = 0;
  // Index of the first pseudo-sketch.
  int first_made_ = 0;
};

}  // namespace s2p

#endif  // S2P_TRAINER_DATA_SAMPLER_H_

// Which images make up each batch.
#ifndef S2P_TRAINER_DATA_SAMPLER_H_
#define S2P_TRAINER_DATA_SAMPLER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace s2p {

// One training example: one image, or a sketch and a photo of one identity that belong together.
struct SampledPair {
  int photo = 0;   // index into the loader's images
  int sketch = 0;  // likewise
};

// Batches of `identities_per_batch` identities with `images_per_identity` images each (Hermans et
// al. 2017, "PK sampling"): every anchor has a positive that is not itself. An identity with fewer
// images repeats some. Every identity appears once an epoch; the last batch is dropped if it is
// short, unless it is the only one. Immutable; an epoch is a function of (seed, epoch).
class IdentitySampler {
 public:
  // `labels` has one identity number (0, 1, ...) per image. InvalidArgument if there are fewer than
  // two identities or images_per_identity < 1.
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

// Batches of sketch/photo pairs of distinct identities. Every sketch appears once an epoch, with a
// photo of its identity drawn at random. Same rules as above.
class PairSampler {
 public:
  // Labels per photo and per sketch. InvalidArgument if no identity has both, or pairs_per_batch
  // is below 2.
  static absl::StatusOr<PairSampler> Create(std::vector<int> photo_labels,
                                            std::vector<int> sketch_labels, int pairs_per_batch,
                                            uint64_t seed);
  std::vector<std::vector<SampledPair>> Epoch(int epoch) const;

 private:
  PairSampler() = default;
  std::vector<std::vector<int>> photos_of_;
  std::vector<std::vector<int>> sketches_of_;
  int pairs_per_batch_ = 0;
  uint64_t seed_ = 0;
};

}  // namespace s2p

#endif  // S2P_TRAINER_DATA_SAMPLER_H_

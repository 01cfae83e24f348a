// A procedural data set in the shape of IHDA's problem: a rich source domain of shoe photos with
// attributes, and a target domain of sketch/photo pairs.
#ifndef S2P_TRAINER_SHOES_SYNTHETIC_SHOES_H_
#define S2P_TRAINER_SHOES_SYNTHETIC_SHOES_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace s2p {

struct SyntheticShoesOptions {
  // Folder to make, or an empty one.
  std::string out;
  // Identities of each domain, at least 4. Three quarters of the target's are for training, the
  // rest for testing.
  int identities = 800;
  // Fixes every pixel.
  uint64_t seed = 1;
  // Worker threads; 0: one per core. Does not change what is written.
  int threads = 0;
};

// Writes two data sets (docs/datasets.md):
//   OUT/source  three photos an identity, all "train", each with SyntheticShoeAttributes()
//   OUT/target  one photo and one sketch an identity, "train" and "test", no attributes
// Their identities are disjoint. Images are 128 x 128 pixels. dataset.jsonl is written last, so a
// folder whose making was cut short does not open. `progress` is called with (done, total) images
// from one thread at a time. InvalidArgument for a bad option; FailedPrecondition if OUT has
// content.
absl::Status Synthesize(const SyntheticShoesOptions& options,
                        const std::function<void(int64_t, int64_t)>& progress = {});

// Names of the attributes, in the order of dataset.json. None is about colour.
const std::vector<std::string>& SyntheticShoeAttributes();

}  // namespace s2p

#endif  // S2P_TRAINER_SHOES_SYNTHETIC_SHOES_H_

// Augments ahead: turns sampled indices into the floats of a batch.
#ifndef S2P_TRAINER_DATA_BATCH_LOADER_H_
#define S2P_TRAINER_DATA_BATCH_LOADER_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "s2p/v1/training.pb.h"
#include "trainer/data/augmentation.h"
#include "trainer/data/prepared_images.h"

namespace s2p {

// One image of a batch: where it comes from, and the random choices of its augmentation.
struct LoadItem {
  const PreparedImages* images = nullptr;
  int index = 0;
  v1::Modality modality = v1::MODALITY_PHOTO;
  // As in AugmentationChoice; `mirror` is set for both images of a pair alike.
  uint64_t seed = 0;
  bool mirror = false;
  bool paired = false;
};

// [n, 3, H, W] float32, normalised, in the order of the items.
struct LoadedBatch {
  int64_t n = 0;
  int height = 0;
  int width = 0;
  std::vector<float> pixels;
};

// Runs a fixed list of batches through augmentation and normalisation on worker threads, a bounded
// number of batches ahead, and hands them out in order. What comes out depends only on the items,
// never on the number of workers. One thread only (the training loop); the workers are its own.
class BatchLoader {
 public:
  // One batch may have parts of different input size (photos, sketches, source): one LoadedBatch
  // each.
  using Parts = std::vector<std::vector<LoadItem>>;

  // `workers` 0: work happens in Next. Everything that the items point to must outlive the loader.
  BatchLoader(v1::TrainingSpec::AugmentationSpec augmentation, std::vector<Parts> batches,
              int workers, bool augment = true, AugmentationStyle style = AugmentationStyle::kOwn);
  ~BatchLoader();

  // The next batch's parts; empty after the last. FailedPrecondition if there is not enough memory
  // for it; else as PreparedImages::Read.
  absl::StatusOr<std::vector<LoadedBatch>> Next();

 private:
  struct Pipeline;
  std::unique_ptr<Pipeline> pipeline_;
};

}  // namespace s2p

#endif  // S2P_TRAINER_DATA_BATCH_LOADER_H_

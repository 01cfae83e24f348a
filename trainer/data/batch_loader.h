// Decodes once, augments ahead: turns sampled indices into the floats of a batch.
#ifndef S2P_TRAINER_DATA_BATCH_LOADER_H_
#define S2P_TRAINER_DATA_BATCH_LOADER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/preprocessor.h"
#include "s2p/v1/training.pb.h"
#include "trainer/data/data_set.h"

namespace s2p {

// Images that could not be read, where some may be.
struct UnreadableImages {
  // At most this share of the images asked for.
  double allowed_share = 0;
  // Filled by Load: their places among the images asked for, ascending, and what is wrong with the
  // first.
  std::vector<size_t> left_out;
  std::string first_error;
};

// Images of one modality, prepared (Preprocessor::Prepare) and kept in memory as bytes. Immutable.
class PreparedImages {
 public:
  // Decodes and prepares `images` on `threads` threads. Fails with the first image that cannot be
  // read, or, with `unreadable`, if more cannot than it allows: the others keep their order.
  // `progress` is called with (done, total) from one thread at a time.
  static absl::StatusOr<std::shared_ptr<const PreparedImages>> Load(
      const DataSet& data_set, const std::vector<DataSetImage>& images,
      const Preprocessor& preprocessor, int threads,
      const std::function<void(int64_t, int64_t)>& progress = {},
      UnreadableImages* unreadable = nullptr);

  int size() const { return static_cast<int>(images_.size()); }
  const Image& image(int i) const { return images_[i]; }
  const Preprocessor& preprocessor() const { return preprocessor_; }

 private:
  explicit PreparedImages(const Preprocessor& preprocessor) : preprocessor_(preprocessor) {}
  Preprocessor preprocessor_;
  std::vector<Image> images_;
};

// One image of a batch: where it comes from, and the random choices of its augmentation.
struct LoadItem {
  const PreparedImages* images = nullptr;
  int index = 0;
  v1::Modality modality = v1::MODALITY_PHOTO;
  // Fixes this image's own augmentation.
  uint64_t seed = 0;
  // Mirror it, whatever its own seed says: set for both images of a pair alike.
  bool mirror = false;
  // It is a target image: AugmentationSpec.flip does not apply, only `mirror`.
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
              int workers, bool augment = true);
  ~BatchLoader();

  // The next batch's parts; empty after the last.
  std::vector<LoadedBatch> Next();

 private:
  struct Pipeline;
  std::unique_ptr<Pipeline> pipeline_;
};

}  // namespace s2p

#endif  // S2P_TRAINER_DATA_BATCH_LOADER_H_

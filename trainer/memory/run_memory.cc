#include "trainer/memory/run_memory.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "image/image.h"
#include "trainer/memory/training_memory.h"

namespace s2p {
namespace {

uint64_t BytesOf(const v1::TrainingSpec::InputSpec& input) {
  const uint64_t channels = input.grey() ? 1 : Image::kChannels;
  return channels * input.height() * input.width();
}

std::string GiB(uint64_t bytes) {
  return absl::StrFormat("%.2f GiB", static_cast<double>(bytes) / (1 << 30));
}

// "7.20 GiB for a batch of 136 images".
std::string ForTheRest(const TrainingMemory& training) {
  if (training.writing_bytes > training.batch_bytes) {
    return absl::StrCat(GiB(training.writing_bytes), " for writing its state");
  }
  return absl::StrCat(GiB(training.batch_bytes), " for a batch of ", training.batch_images,
                      " images");
}

// Photos that are kept once more, as the gallery in which held-back sketches are searched.
uint64_t GalleryPhotos(const OpenDataSets& data_sets, const v1::TrainingSpec& resolved) {
  std::vector<DataSetImage> held_back;
  for (const DataSetImage& image : data_sets.target.images()) {
    if (IsHeldBack(image, data_sets.held_back)) held_back.push_back(image);
  }
  const size_t measured = held_back.size();
  return WithGallery(resolved, data_sets.target, std::move(held_back)).size() - measured;
}

}  // namespace

uint64_t ImageBytes(const OpenDataSets& data_sets, const v1::TrainingSpec& resolved) {
  const uint64_t photo = BytesOf(resolved.photo()), sketch = BytesOf(resolved.sketch());
  uint64_t bytes = 0;
  if (data_sets.target.packed() == nullptr) {
    for (const DataSetImage& image : data_sets.target.images()) {
      const bool is_measured = image.split == "test" || IsHeldBack(image, data_sets.held_back);
      const bool is_trained_on = data_sets.IsTrainedOn(image);
      const bool is_photo = image.modality != v1::MODALITY_SKETCH;
      // The photos of held-back sketches may be both.
      bytes += ((is_measured ? 1 : 0) + (is_trained_on ? 1 : 0)) * (is_photo ? photo : sketch);
      if (is_photo && is_trained_on) bytes += resolved.pseudo().per_photo() * sketch;
    }
    bytes += GalleryPhotos(data_sets, resolved) * photo;
  }
  if (!data_sets.source || data_sets.source->packed() != nullptr) return bytes;
  for (const DataSetImage& image : data_sets.source->images()) {
    if (image.split == "train" && image.modality == v1::MODALITY_PHOTO) bytes += photo;
  }
  return bytes;
}

absl::Status CheckMemory(uint64_t image_bytes, uint64_t memory_bytes, const char* has) {
  if (image_bytes <= memory_bytes) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "the images alone take ", GiB(image_bytes), " of main memory, and ", GiB(memory_bytes), " ",
      has,
      "; lower the height and width of photo and sketch, use fewer images, or give the "
      "trainer more memory"));
}

absl::Status CheckRunFits(const OpenDataSets& data_sets, const v1::TrainingSpec& resolved,
                          const std::function<absl::StatusOr<MainMemory>()>& measure, int ranks) {
  const auto memory = measure();
  if (!memory.ok()) return absl::OkStatus();
  const uint64_t available = memory->available_bytes;
  const uint64_t images = ImageBytes(data_sets, resolved);
  S2P_RETURN_IF_ERROR(CheckMemory(images, available, "are available"));
  S2P_ASSIGN_OR_RETURN(const TrainingMemory training,
                       MeasureTrainingMemory(data_sets, resolved, ranks));
  if (images + training.total_bytes() <= available) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "the run takes about ", GiB(images + training.total_bytes()), " of main memory, ",
      GiB(images), " for its images, ", GiB(training.networks_bytes),
      " for networks, gradients and optimizer, and ", ForTheRest(training), ", and ",
      GiB(available),
      " are available; lower batch_size and raise accumulate, lower the height and width of photo "
      "and sketch, or give the trainer more memory"));
}

}  // namespace s2p

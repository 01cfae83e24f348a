#include "trainer/program/image_memory.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "image/image.h"

namespace s2p {
namespace {

uint64_t BytesOf(const v1::TrainingSpec::InputSpec& input) {
  const uint64_t channels = input.grey() ? 1 : Image::kChannels;
  return channels * input.height() * input.width();
}

std::string GiB(uint64_t bytes) {
  return absl::StrFormat("%.2f GiB", static_cast<double>(bytes) / (1 << 30));
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

absl::Status CheckImagesFit(const OpenDataSets& data_sets, const v1::TrainingSpec& resolved,
                            const std::function<absl::StatusOr<MainMemory>()>& measure) {
  const auto memory = measure();
  if (!memory.ok()) return absl::OkStatus();
  return CheckMemory(ImageBytes(data_sets, resolved), memory->available_bytes, "are available");
}

}  // namespace s2p

// Images brought to a network's input size, as many as a run needs.
#ifndef S2P_TRAINER_DATA_PREPARED_IMAGES_H_
#define S2P_TRAINER_DATA_PREPARED_IMAGES_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "image/image.h"
#include "image/preprocessor.h"
#include "trainer/data/data_set.h"

namespace s2p {

// Images that could not be read, where some may be.
struct UnreadableImages {
  // At most this share of the images asked for. Images of another folder (DataSetImage::folder)
  // that are gone do not count.
  double allowed_share = 0;
  // Filled by Load: their places among the images asked for, ascending, and what is wrong with the
  // first.
  std::vector<size_t> left_out;
  std::string first_error;
};

// Images that are made, instead of read from a data set.
struct MadeImages {
  // There are `each` of them for each of `items`.
  int64_t items = 0;
  int each = 0;
  // Those of one item. Called from several threads, for each item once.
  std::function<absl::StatusOr<std::vector<Image>>(int64_t item)> make;
};

// Images of one modality, prepared (Preprocessor::Prepare). Those of a folder are decoded once and
// kept in one block of memory; those of a packed file stay there and are read one by one.
// Immutable; Read may be called from several threads.
class PreparedImages {
 public:
  // Decodes and prepares `images` on `threads` threads. Fails with the first image that cannot be
  // read, or, with `unreadable`, if more cannot than it allows: the others keep their order.
  // FailedPrecondition if there is not enough memory; Cancelled once `stop` is true. `progress` is
  // called with (done, total), and `stop` before each image, from one thread at a time. Images that
  // are `made` follow the others in the order of their items, none of which may fail; the data set
  // must not be packed then.
  static absl::StatusOr<std::shared_ptr<const PreparedImages>> Load(
      const DataSet& data_set, const std::vector<DataSetImage>& images,
      const Preprocessor& preprocessor, int threads,
      const std::function<void(int64_t, int64_t)>& progress = {},
      UnreadableImages* unreadable = nullptr, const std::function<bool()>& stop = {},
      const MadeImages& made = {});

  int size() const { return size_; }
  const Preprocessor& preprocessor() const { return preprocessor_; }
  // As Preprocessor::Prepare gave it. Requires 0 <= i < size(). Never fails for images in memory;
  // for those of a packed file as TensorFile::ReadAt.
  absl::StatusOr<Image> Read(int i) const;
  // The images in memory: uint8 [size, height, width, channels], ChannelsOf(preprocessing) of them;
  // empty for those of a packed file. Valid as long as this object.
  absl::string_view bytes() const;

  // 1 where all three channels of a prepared image are equal, else 3.
  static int ChannelsOf(const v1::Preprocessing& preprocessing);

 private:
  explicit PreparedImages(const Preprocessor& preprocessor);
  absl::Status KeepInFile(const DataSet& data_set, const std::vector<DataSetImage>& images);
  absl::Status Allocate(int64_t count);
  void Store(int64_t i, const Image& image);
  // Makes the images of an item and stores them; those of the first item begin at `first`.
  absl::Status Make(const MadeImages& made, int64_t item, int64_t first);
  // Leaves out what has failed.
  void CloseGaps(const std::vector<absl::Status>& failures);

  const Preprocessor preprocessor_;
  const int channels_;
  const size_t image_bytes_;
  int size_ = 0;
  // [size, height, width, channels]; null where they stay in a file.
  std::unique_ptr<uint8_t[]> pixels_;
  // That file, and the images' rows in it.
  std::shared_ptr<const PackedImages> packed_;
  v1::Modality modality_ = v1::MODALITY_PHOTO;
  std::vector<int64_t> rows_;
};

}  // namespace s2p

#endif  // S2P_TRAINER_DATA_PREPARED_IMAGES_H_

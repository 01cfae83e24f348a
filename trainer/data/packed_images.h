// A data set whose images have been decoded and brought to a network's input size once, in one
// safetensors file. Reading it needs no image library.
//
// Tensors: "format" (I64 scalar: the oldest that has every field of the preprocessing; 2 added
// work_size and measured_ground, 3 resize_shorter and BICUBIC); "dataset.json", "dataset.jsonl",
// "preprocessing.photo" and "preprocessing.sketch" (U8: the text of the two files, and
// v1.Preprocessing as JSON); "photo" and "sketch" (U8 [n, height, width, channels]; channels 1
// where the images are grey, else 3), in the order of the lines of that modality, each there where
// it has an image; "images.sha256" (U8 [64]: ImagesDigest of the folder; older files lack it). The
// file may be larger than memory.
#ifndef S2P_TRAINER_DATA_PACKED_IMAGES_H_
#define S2P_TRAINER_DATA_PACKED_IMAGES_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/tensor_file.h"
#include "s2p/v1/checkpoint.pb.h"

namespace s2p {

class DataSet;
struct DataSetImage;

inline constexpr int64_t kPackedImagesFormat = 3;

// Keeps the file open and none of its content in memory. Immutable; all functions may be called
// from several threads.
class PackedImages {
 public:
  // NotFound; DataLoss or FailedPrecondition naming file and tensor if it is damaged, lacks
  // something or is of a newer format.
  static absl::StatusOr<std::shared_ptr<const PackedImages>> Open(const std::string& path);

  // The text of the two files, read when it is asked for.
  absl::StatusOr<std::string> Description() const;
  absl::StatusOr<std::string> Lines() const;
  // DataLoss if there are not as many images of a modality as lines.
  absl::Status CheckCounts(const std::vector<DataSetImage>& images) const;

  // Digest of the images that were packed (ImagesDigest); empty if the file does not say.
  const std::string& images_sha256() const { return images_sha256_; }
  // FailedPrecondition, saying what differs, unless images of this modality were prepared so.
  absl::Status CheckPreprocessing(v1::Modality modality, const v1::Preprocessing& wanted) const;
  // Reads [height, width, channels] of one image, as Preprocessor::Prepare gave it. Requires a row
  // of a line of the file (DataSetImage::row). DataLoss if the file has become shorter.
  absl::Status ReadPixels(v1::Modality modality, int64_t row, absl::Span<uint8_t> out) const;

 private:
  struct Part {
    v1::Preprocessing preprocessing;
    // Number of images, bytes of each, and where they begin in the file.
    int64_t images = 0;
    uint64_t image_bytes = 0;
    uint64_t begin = 0;
  };
  explicit PackedImages(TensorFile file) : file_(std::move(file)) {}
  absl::StatusOr<std::string> ReadText(const std::string& name) const;
  absl::Status CheckFormat() const;
  absl::Status ReadPart(v1::Modality modality, Part& part) const;
  const Part& PartOf(v1::Modality modality) const;

  const TensorFile file_;
  std::string images_sha256_;
  Part photo_, sketch_;
};

// Decodes and prepares every image of a data set on `threads` threads and writes the file, whole or
// not at all, a few images at a time. FailedPrecondition if the data set is packed already;
// ResourceExhausted if the disk is full; Cancelled once `stop` is true; else as
// PreparedImages::Load.
absl::Status PackDataSet(const DataSet& data_set, const v1::Preprocessing& photo,
                         const v1::Preprocessing& sketch, int threads, const std::string& path,
                         const std::function<void(int64_t, int64_t)>& progress = {},
                         const std::function<bool()>& stop = {});

}  // namespace s2p

#endif  // S2P_TRAINER_DATA_PACKED_IMAGES_H_

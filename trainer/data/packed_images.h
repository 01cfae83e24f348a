// A data set whose images have been decoded and brought to a network's input size once, in one
// safetensors file. Reading it needs no image library.
//
// Tensors: "format" (I64 scalar, 1); "dataset.json", "dataset.jsonl", "preprocessing.photo" and
// "preprocessing.sketch" (U8: the text of the two files, and v1.Preprocessing as JSON); "photo" and
// "sketch" (U8 [n, height, width, channels]; channels 1 where the images are grey, else 3), in the
// order of the lines of that modality, each there where it has an image.
#ifndef S2P_TRAINER_DATA_PACKED_IMAGES_H_
#define S2P_TRAINER_DATA_PACKED_IMAGES_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/image.h"
#include "model/safetensors.h"
#include "s2p/v1/checkpoint.pb.h"

namespace s2p {

class DataSet;
struct DataSetImage;

inline constexpr int64_t kPackedImagesFormat = 1;

// Immutable once indexed.
class PackedImages {
 public:
  // NotFound; DataLoss or FailedPrecondition naming file and tensor if it is damaged, lacks
  // something or is of a newer format. DataSet::Open calls IndexLines, then publishes it.
  static absl::StatusOr<std::shared_ptr<PackedImages>> Read(const std::string& path);

  // The text of the two files.
  const std::string& description() const { return description_; }
  const std::string& lines() const { return lines_; }
  // Gives each path its row. DataLoss if there are not as many images of a modality as lines.
  absl::Status IndexLines(const std::vector<DataSetImage>& images);

  // FailedPrecondition, saying what differs, unless images of this modality were prepared so.
  absl::Status CheckPreprocessing(v1::Modality modality, const v1::Preprocessing& wanted) const;
  // As Preprocessor::Prepare gave it. Requires a path of IndexLines.
  Image Prepared(const DataSetImage& image) const;

 private:
  PackedImages() = default;
  struct Part {
    v1::Preprocessing preprocessing;
    TensorBytes pixels;
  };
  const Part& PartOf(v1::Modality modality) const;
  std::string path_, description_, lines_;
  Part photo_, sketch_;
  std::map<std::string, int64_t> row_of_path_;
};

// Decodes and prepares every image of a data set on `threads` threads and writes the file, whole or
// not at all. FailedPrecondition if the data set is packed already; ResourceExhausted if the disk
// is full; else as PreparedImages::Load.
absl::Status PackDataSet(const DataSet& data_set, const v1::Preprocessing& photo,
                         const v1::Preprocessing& sketch, int threads, const std::string& path,
                         const std::function<void(int64_t, int64_t)>& progress = {});

}  // namespace s2p

#endif  // S2P_TRAINER_DATA_PACKED_IMAGES_H_

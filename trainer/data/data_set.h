// A labelled set of images in a folder: dataset.json and dataset.jsonl (docs/datasets.md). Or in
// one file: trainer/data/packed_images.h.
#ifndef S2P_TRAINER_DATA_DATA_SET_H_
#define S2P_TRAINER_DATA_DATA_SET_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "image/image.h"
#include "s2p/v1/checkpoint.pb.h"
#include "s2p/v1/training.pb.h"
#include "trainer/data/packed_images.h"

namespace s2p {

inline constexpr int kDataSetFormat = 1;

// One line of dataset.jsonl.
struct DataSetImage {
  // Relative to the folder, inside it.
  std::string path;
  // Names who or what is shown: the label that images of a pair share.
  std::string identity;
  v1::Modality modality = v1::MODALITY_PHOTO;
  // "train", "val" or "test".
  std::string split;
  // In the order of DataSet::attributes(); NaN where the line does not say. Empty if the data set
  // has no attributes.
  std::vector<float> attributes;
  // Set by DataSet::Open: its place, from 0, among the images of its modality.
  int64_t row = 0;
  // The path of the photo that a sketch was drawn for, where its line says so: one of several
  // photos of the identity.
  std::string photo{};
  // The folder of the data set that it comes from, where that is another one (DataSet::With); else
  // empty.
  std::string folder{};
  // Other identities that the same drawing was confirmed for (trainer/data/joined_pairs.h).
  std::vector<std::string> other_identities{};
};

// Whether Open refuses a line whose image is not there.
enum class ImageFiles { kMustExist, kMayBeMissing };

// Immutable after Open. The images stay on disk.
class DataSet {
 public:
  // NotFound if the folder or a file of it is missing; InvalidArgument naming file, line and field
  // for wrong JSON, a path that leaves the folder, an unknown modality, split or attribute, a value
  // outside [0, 1], or a path listed twice; FailedPrecondition for a newer format. That the images
  // exist is checked too, unless `files` says otherwise; that they decode is not. The folder's
  // owner may make symbolic links in it; they are followed. `folder` may also be a file that
  // PackDataSet wrote; then as PackedImages::Read, too.
  static absl::StatusOr<DataSet> Open(const std::string& folder,
                                      ImageFiles files = ImageFiles::kMustExist);

  const std::string& folder() const { return folder_; }
  // `name` of dataset.json.
  const std::string& name() const { return name_; }
  const std::vector<std::string>& attributes() const { return attributes_; }
  const std::vector<DataSetImage>& images() const { return images_; }
  // SHA-256 of dataset.jsonl, lower-case hex.
  const std::string& sha256() const { return sha256_; }

  // This data set with lines of another one after its own, whose images stay in the other's folder;
  // they have none of this one's attributes. `sha256` is then JoinedSha256 of both. Requires that
  // neither is packed.
  DataSet With(const DataSet& other, std::vector<DataSetImage> images) const;

  // Set if it was opened from a packed file, whose images are at input size already.
  const std::shared_ptr<const PackedImages>& packed() const { return packed_; }

  // Where an image of a folder lies.
  std::string PathOf(const DataSetImage& image) const;
  // Decodes one image. NotFound or InvalidArgument naming the file; FailedPrecondition for a packed
  // data set, which has no originals.
  absl::StatusOr<Image> Read(const DataSetImage& image) const;

 private:
  DataSet() = default;
  static absl::StatusOr<DataSet> OpenPacked(const std::string& path);
  static absl::StatusOr<DataSet> Parse(const std::string& folder, const std::string& description,
                                       const std::string& lines, ImageFiles files);
  void NumberRows();
  std::string folder_;
  std::string name_;
  std::vector<std::string> attributes_;
  std::vector<DataSetImage> images_;
  std::string sha256_;
  std::shared_ptr<const PackedImages> packed_;
};

// The content of dataset.json.
struct DataSetDescription {
  std::string name;
  std::vector<std::string> attributes;
  std::string source;
  std::string licence;
};

// The digest of two data sets that are trained on as one.
std::string JoinedSha256(const std::string& first, const std::string& second);

// Makes an empty folder, and its parents, for a data set. FailedPrecondition if it has content.
absl::Status CreateDataSetFolder(const std::string& folder);

// Writes dataset.json and then dataset.jsonl (the images are there already). A dataset.jsonl that
// was there is removed first and the new one appears whole, so a folder never opens half written.
// InvalidArgument for text that is not UTF-8. An image has as many attributes as the description,
// or none.
absl::Status WriteDataSet(const std::string& folder, const DataSetDescription& description,
                          const std::vector<DataSetImage>& images);

// True if the identity belongs to the part held back for validation: a hash of its name falls into
// the lowest `fraction`. Depends on nothing else, so it stays when the data grows and two models
// can be compared on the same identities.
bool IsValidationIdentity(const std::string& identity, double fraction);

// True if the identity belongs to the `fraction`, in (0, 1], of the training identities that is
// trained on, by another hash of its name than IsValidationIdentity's: a smaller fraction is a
// subset of a larger one, and neither depends on which identities are held back.
bool IsInPairFraction(const std::string& identity, double fraction);

// Which training identities are held back. A value.
struct HeldBack {
  // As IsValidationIdentity.
  double fraction = 0;
  // Where `folds` is above 0, the same hash deals the identities into that many folds, and fold
  // number `fold` (from 0) is held back instead of `fraction`.
  uint32_t folds = 0;
  uint32_t fold = 0;
};

// True if an identity has both a photo and a sketch among the images.
bool HasPair(const std::vector<DataSetImage>& images);

// True if the identity is held back, whatever the split.
bool IsHeldBackIdentity(const std::string& identity, const HeldBack& held_back);

// True if the image is not trained on but measured on: it is of the split "val", or of "train" with
// an identity that is held back.
bool IsHeldBack(const DataSetImage& image, const HeldBack& held_back);

}  // namespace s2p

#endif  // S2P_TRAINER_DATA_DATA_SET_H_

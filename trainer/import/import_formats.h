// One function per format of `import-dataset`: checks that a folder is laid out as the data set's
// authors publish it, and plans the import. docs/datasets.md gives the layouts and their sources.
// All of them return NotFound for a missing file or folder of the layout, and InvalidArgument
// naming the first file, or file and line, that is not as the layout says. Nothing is written.
#ifndef S2P_TRAINER_IMPORT_IMPORT_FORMATS_H_
#define S2P_TRAINER_IMPORT_IMPORT_FORMATS_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "trainer/import/identity_split.h"
#include "trainer/import/import_plan.h"
#include "trainer/import/market_attributes.h"

namespace s2p {

// Pairs: {train,test}/images/N.jpg and {train,test}/sketches/N.png. `further`, if not empty, holds
// pairs.csv, whose columns "id" and "sketch" name further sketches of the numbers to train on.
absl::StatusOr<Plan> PlanQmulShoes(const std::filesystem::path& root,
                                   const std::filesystem::path& further);

struct FolderOptions {
  // Where the folder has no splits of its own.
  SplitOptions split;
  // As in ImportOptions.
  std::string identity_from;
  // The set that is added to, if there is one; borrowed. What it says of an identity, or of a photo
  // or a folder of this name, stays so.
  const DataSet* set = nullptr;
};

// A folder of one's own: photo/ and sketch/, or train/, val/ and test/ with these inside.
absl::StatusOr<Plan> PlanFolder(const std::filesystem::path& root, const FolderOptions& options);

struct PhotosOptions {
  // If not empty, a folder of the same kind with sketches of none of the photos in particular.
  std::filesystem::path sketches;
  // Asked before each image is read; may be empty.
  std::function<bool()> stop;
};

// Photos alone, in folders of any depth: each shows a thing of its own, whose identity is the
// file's path below `root`. Files of other kinds and images that cannot be read are left out, with
// a warning. All are for training. Cancelled once `stop` is true.
absl::StatusOr<Plan> PlanPhotos(const std::filesystem::path& root, const PhotosOptions& options);

// InvalidArgument if the copies would lie in the folder of photos or that of sketches, which may be
// empty, or if the two are one. Reads no image.
absl::Status CheckPhotoFolders(const std::filesystem::path& root,
                               const std::filesystem::path& sketches, const std::string& out);

// A data set as DataSet::Open reads it, with its identities, paths, attributes and, unless `split`
// has a test fraction, its splits.
absl::StatusOr<Plan> PlanDataSet(const std::filesystem::path& root, const SplitOptions& split);

// 200 persons, a sketch and two photos each. 150 of them are for training, drawn by the seed from
// each of the five drawing styles; the plan has a note split.json that says which.
absl::StatusOr<Plan> PlanPkuSketch(const std::filesystem::path& root, uint64_t split_seed);

// Viewed sketches: photo/ and sketch/, or the three parts of the database with these inside.
// `split_file` is CSV, IDENTITY,train|val|test, and lists every identity once.
absl::StatusOr<Plan> PlanIiitd(const std::filesystem::path& root,
                               const std::filesystem::path& split_file);

// Photos only, with 8 attributes of each identity from market_attribute.mat, the paper's or the
// release's.
absl::StatusOr<Plan> PlanMarket1501(const std::filesystem::path& root, MarketAttributeSet set);

// Photos only, with the 30 attributes and the identities that the authors of IHDA use: shoes shown
// in at least three images. All are for training.
absl::StatusOr<Plan> PlanUtZap50k(const std::filesystem::path& root);

// Photos only, with the attributes of list_attr_celeba.txt that are not colours.
absl::StatusOr<Plan> PlanCelebA(const std::filesystem::path& root);

}  // namespace s2p

#endif  // S2P_TRAINER_IMPORT_IMPORT_FORMATS_H_

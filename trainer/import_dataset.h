// Brings published data sets, and folders of one's own, into the format of trainer/data_set.h.
#ifndef S2P_TRAINER_IMPORT_DATASET_H_
#define S2P_TRAINER_IMPORT_DATASET_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"

namespace s2p {

struct ImportOptions {
  // "qmul-shoes" or "folder"; "pku-sketch", "market-1501", "ut-zap50k", "celeba" and "iiitd" are
  // known names without an importer. docs/datasets.md describes the layouts.
  std::string format;
  // Where the data set lies, as its authors lay it out. Only read.
  std::string root;
  // Folder to make, or an empty one.
  std::string out;
  // Fixes the split of formats that come without one. Ignored by the others.
  uint64_t split_seed = 1;
};

struct ImportSummary {
  std::string name;
  int64_t photos = 0;
  int64_t sketches = 0;
  int64_t train_identities = 0;
  int64_t test_identities = 0;
};

// Checks the layout, then copies the images to OUT/photo and OUT/sketch and describes them (no hard
// links: editing the copy must not change the original). dataset.jsonl is written last, so a folder
// whose import was cut short does not open. How many images there are is not checked. `progress` is
// called with (done, total) images. InvalidArgument for an unknown format, or naming the first file
// that is not as the layout says (wrong name, not an image, without its partner); NotFound if a
// folder of the layout is missing; FailedPrecondition if OUT has content; Unimplemented for a known
// name without an importer.
absl::StatusOr<ImportSummary> ImportDataset(
    const ImportOptions& options, const std::function<void(int64_t, int64_t)>& progress = {});

}  // namespace s2p

#endif  // S2P_TRAINER_IMPORT_DATASET_H_

// Brings published data sets, and folders of one's own, into the format of trainer/data/data_set.h.
#ifndef S2P_TRAINER_IMPORT_IMPORT_DATASET_H_
#define S2P_TRAINER_IMPORT_IMPORT_DATASET_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace s2p {

struct ImportOptions {
  // One of ImportFormats(). docs/datasets.md describes the layouts.
  std::string format;
  // Where the data set lies, as its authors lay it out. Only read.
  std::string root;
  // Folder to make, or an empty one; with `add`, also one with a data set.
  std::string out;
  // Fixes the split of formats that come without one (folder, pku-sketch). Ignored by the others.
  uint64_t split_seed = 1;
  // CSV with lines IDENTITY,train|val|test. iiitd must have one, the others must not.
  std::string split_file;
  // Folder with pairs.csv, further sketches of identities to train on. qmul-shoes may have one, the
  // others must not.
  std::string further_sketches;
  // Folder with sketches of none of the photos in particular, which say how people draw. photos may
  // have one, the others must not.
  std::string unpaired_sketches;
  // One of IdentityRules(): which part of a file's name is its identity, in format folder.
  // docs/datasets.md describes them. The other formats take auto only.
  std::string identity_from = "auto";
  // Add the images to the data set that is in `out`, if there is one.
  bool add = false;
  // Share of the identities that are for testing, a number from 0 to below 1; empty: a quarter in
  // format folder, or the share of the set that is added to; the set's own split in format
  // data-set. The other formats, and folders with train/ or test/ in them, take none.
  std::string test_fraction;
};

struct ImportSummary {
  std::string name;
  int64_t photos = 0;
  int64_t sketches = 0;
  int64_t train_identities = 0;
  int64_t val_identities = 0;
  int64_t test_identities = 0;
  int64_t attributes = 0;
  // Images that the format says not to use, as Market-1501's distractors.
  int64_t left_out = 0;
  // Files and folders that a system left behind, as .DS_Store.
  int64_t passed_over = 0;
  // With `add`, images that are new in the set, and that it had already. Everything else in this
  // struct but left_out, passed_over and the sentences counts the whole set.
  int64_t added = 0;
  int64_t already_there = 0;
  int64_t photo_identities = 0;
  int64_t sketch_identities = 0;
  // Sentences for people, without a period: how the folder was understood.
  std::vector<std::string> remarks;
  // Likewise, about what is probably wrong.
  std::vector<std::string> warnings;
  // How identities were found, with examples. Only the format "folder" says it.
  std::vector<std::string> identities_from;
  // Why identities are in their splits, likewise.
  std::string split_reason;
};

// celeba, data-set, folder, iiitd, market-1501, market-1501-paper, photos, pku-sketch, qmul-shoes,
// ut-zap50k.
const std::vector<std::string>& ImportFormats();

// auto, stem, prefix, folder.
const std::vector<std::string>& IdentityRules();

// Checks the whole layout, then copies the images to OUT/photo and OUT/sketch and describes them
// (no hard links: editing the copy must not change the original). dataset.jsonl is written last, so
// a folder whose import was killed does not open, and the next import into it, with `add` or
// without, starts over; after an error nothing is left. How many images there are is checked only
// where the format's split depends on it (pku-sketch). `progress` is called with (done, total)
// images; `stop` is asked before each is copied, and by format photos before each is read.
// InvalidArgument for an unknown format or rule, or naming the file, or file and line, that is not
// as the layout says (wrong name, not an image, without its partner): of a folder the first ten, of
// a published data set the first; NotFound if a file or folder of the layout is missing;
// FailedPrecondition if OUT has content, or if another program is adding to it; Cancelled once
// `stop` is true; else as CarryOut, or AddTo.
absl::StatusOr<ImportSummary> ImportDataset(
    const ImportOptions& options, const std::function<void(int64_t, int64_t)>& progress = {},
    const std::function<bool()>& stop = {});

}  // namespace s2p

#endif  // S2P_TRAINER_IMPORT_IMPORT_DATASET_H_

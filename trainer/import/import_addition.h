// Adding the images of a plan to a data set that is there already.
#ifndef S2P_TRAINER_IMPORT_IMPORT_ADDITION_H_
#define S2P_TRAINER_IMPORT_IMPORT_ADDITION_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "trainer/data/data_set.h"
#include "trainer/import/import_plan.h"

namespace s2p {

struct Addition {
  // Images that were added.
  int64_t added = 0;
  // Images of the plan that the set had already, with the same bytes.
  int64_t already_there = 0;
  // The lines of the set afterwards.
  std::vector<DataSetImage> images;
};

// Copies the images that `set` does not have into its folder and then lists them in its
// dataset.jsonl, as AddToDataSet does. Until then nothing that the set lists is touched, so a
// reader, a watch or a kill in the middle meets the old set; files that a killed run has copied
// are taken over by the next. Names are compared as CanonicalName.
// InvalidArgument, naming every file and before anything is copied, for an image that is there with
// other bytes; for an identity in two splits or without a photo; for attributes that are not the
// set's; for a note of the plan that is there with another content. Aborted if another program
// changed the set meanwhile. Otherwise as CarryOut. After an error while images are copied, those
// copied are removed.
absl::StatusOr<Addition> AddTo(const DataSet& set, const Plan& plan,
                               const std::function<void(int64_t, int64_t)>& progress,
                               const std::function<bool()>& stop);

}  // namespace s2p

#endif  // S2P_TRAINER_IMPORT_IMPORT_ADDITION_H_

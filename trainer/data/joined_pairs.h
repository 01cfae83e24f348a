// A target data set and the pairs of another folder, as one data set.
#ifndef S2P_TRAINER_DATA_JOINED_PAIRS_H_
#define S2P_TRAINER_DATA_JOINED_PAIRS_H_

#include <string>

#include "absl/status/statusor.h"
#include "trainer/data/data_set.h"

namespace s2p {

// Before the names of identities of the second folder that show no photo of the first.
inline constexpr char kPairsPrefix[] = "pairs/";

// Opens `target` and joins the lines of `pairs` to it, which s2p-server writes while people confirm
// matches. An empty `pairs`, and a folder without dataset.jsonl, which has no pairs yet, add
// nothing.
//
// A photo whose bytes are those of a photo of the target is that photo: it is not listed again, and
// sketches of its identity get the target's identity and split. Where that split is "test", they
// are left out, so that a test set stays as it is. Other identities keep their photo, and get
// kPairsPrefix before their names. So the name of an identity, and with it whether it is held back,
// depends on its photo and not on how many pairs there are.
//
// Errors as DataSet::Open, for either; FailedPrecondition if one of two is packed, because a packed
// data set keeps no original bytes. Images of `pairs` may be missing in any case: a match that is
// forgotten takes its images away after its lines. Reads the files of photos of equal size.
absl::StatusOr<DataSet> OpenWithPairs(const std::string& target, const std::string& pairs,
                                      ImageFiles files);

// True if the folder has pairs: a dataset.jsonl.
bool HasPairs(const std::string& pairs);

}  // namespace s2p

#endif  // S2P_TRAINER_DATA_JOINED_PAIRS_H_

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
// the sketches drawn for it (DataSetImage::photo, else those of its identity) get the target's
// identity and split. Where that split is "test", they are left out, so that a test set stays as it
// is, and so are copies of such a drawing that show another photo. Other identities keep their
// photo, and get kPairsPrefix before their names. So the name of an identity, and with it whether
// it is held back, depends on its photo and not on how many pairs there are; it changes only when
// that photo is added to the target.
//
// Lines whose file is gone are left out: a match that is forgotten takes its images away after its
// lines. Other errors as DataSet::Open, for either, and as Sha256OfFile; FailedPrecondition if one
// of two is packed, because a packed data set keeps no original bytes. Reads the sketches of
// `pairs`, and photos of equal size.
absl::StatusOr<DataSet> OpenWithPairs(const std::string& target, const std::string& pairs,
                                      ImageFiles files);

}  // namespace s2p

#endif  // S2P_TRAINER_DATA_JOINED_PAIRS_H_

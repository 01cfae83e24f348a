// The labelled images of a data set folder, for `gallery add --dataset` and `eval`.
#ifndef S2P_CLIENT_LABELLED_SET_H_
#define S2P_CLIENT_LABELLED_SET_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "s2p/v1/checkpoint.pb.h"

namespace s2p {

struct LabelledImage {
  // As in dataset.jsonl, relative to the folder.
  std::string path;
  std::string identity;
  v1::Modality modality = v1::MODALITY_PHOTO;
};

struct LabelledSet {
  std::string folder;
  // `name` of dataset.json.
  std::string name;
  std::string split;
  // In the order of dataset.jsonl.
  std::vector<LabelledImage> images;
};

// Reads the images of one split. NotFound if a file is missing; InvalidArgument naming file, line
// and field for anything that docs/datasets.md does not allow; FailedPrecondition for a newer
// format, or if the split has no images.
absl::StatusOr<LabelledSet> ReadLabelledSet(const std::string& folder, const std::string& split);

}  // namespace s2p

#endif  // S2P_CLIENT_LABELLED_SET_H_

// Images that are added to a data set whose folder may be in use.
#ifndef S2P_TRAINER_DATA_DATA_SET_ADDITION_H_
#define S2P_TRAINER_DATA_DATA_SET_ADDITION_H_

#include <vector>

#include "absl/status/status.h"
#include "trainer/data/data_set.h"

namespace s2p {

// Appends a line for each image, whose file is there already, to the dataset.jsonl of a folder. The
// lines that were there stay as they are, byte by byte. The file is replaced by one rename: at any
// time, also after a crash, a reader finds either the old lines or all of them. An image has as
// many attributes as the data set, or none. Aborted, and nothing written, if dataset.jsonl is not
// as it was when `data_set` was opened; InvalidArgument for text that is not UTF-8; else the
// system's error.
absl::Status AddToDataSet(const DataSet& data_set, const std::vector<DataSetImage>& images);

}  // namespace s2p

#endif  // S2P_TRAINER_DATA_DATA_SET_ADDITION_H_

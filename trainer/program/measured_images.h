// Which images a measurement is of.
#ifndef S2P_TRAINER_PROGRAM_MEASURED_IMAGES_H_
#define S2P_TRAINER_PROGRAM_MEASURED_IMAGES_H_

#include <string>
#include <vector>

#include "trainer/data/data_set.h"

namespace s2p {

// Fields that an older program did not write are empty. A value.
struct MeasuredImages {
  // The data set's name.
  std::string dataset;
  // SHA-256 in lower-case hex of the hex digest of each image's bytes and a line feed after it, in
  // the order of the paths, which does not depend on that of the lines; 64 dashes stand for an
  // image that cannot be read. Empty for a packed data set, which does not have the images.
  std::string sha256;
};

// Describes images of the data set. Reads each of them, on `threads` threads (0: one per core).
MeasuredImages MeasuredImagesOf(const DataSet& data_set, const std::vector<DataSetImage>& images,
                                int threads);

}  // namespace s2p

#endif  // S2P_TRAINER_PROGRAM_MEASURED_IMAGES_H_

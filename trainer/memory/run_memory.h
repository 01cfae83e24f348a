// Whether a run fits into main memory, before it takes any.
#ifndef S2P_TRAINER_MEMORY_RUN_MEMORY_H_
#define S2P_TRAINER_MEMORY_RUN_MEMORY_H_

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/main_memory.h"
#include "s2p/v1/training.pb.h"
#include "trainer/ihda/training_data.h"

namespace s2p {

// Bytes that the images of a run take: 8-bit, grey or RGB, at the resolved spec's input sizes. All
// parts of the target, the photos that WithGallery adds, and the train photos of the source are
// kept from the start to the end; those of a packed data set stay in its file.
uint64_t ImageBytes(const OpenDataSets& data_sets, const v1::TrainingSpec& resolved);

// FailedPrecondition, with both numbers and what helps, if `image_bytes` are more than
// `memory_bytes`; `has` completes the sentence, as in "are available".
absl::Status CheckMemory(uint64_t image_bytes, uint64_t memory_bytes, const char* has);

// Whether a run fits into the memory that `measure` says is available now: CheckMemory for its
// images, then images, networks and the largest batch together (MeasureTrainingMemory, which see
// for `ranks` and errors). FailedPrecondition names each number and what helps. OK if `measure`
// cannot say.
absl::Status CheckRunFits(const OpenDataSets& data_sets, const v1::TrainingSpec& resolved,
                          const std::function<absl::StatusOr<MainMemory>()>& measure,
                          int ranks = 1);

}  // namespace s2p

#endif  // S2P_TRAINER_MEMORY_RUN_MEMORY_H_

// The main memory that training takes next to its images, before it takes it.
#ifndef S2P_TRAINER_MEMORY_TRAINING_MEMORY_H_
#define S2P_TRAINER_MEMORY_TRAINING_MEMORY_H_

#include <algorithm>
#include <cstdint>

#include "absl/status/statusor.h"
#include "s2p/v1/training.pb.h"
#include "trainer/ihda/training_data.h"

namespace s2p {

// The step of IHDA that takes more. Whole runs take within a quarter of it, and libraries some
// memory of their own.
struct TrainingMemory {
  // Networks, gradients, the optimizer's moments and copies of weights.
  uint64_t networks_bytes = 0;
  // Tensors that autograd keeps of a batch from the way there to the way back, and the batches that
  // workers make ahead.
  uint64_t batch_bytes = 0;
  // The images of that batch, on this rank.
  int batch_images = 0;
  // The copy of everything that writing the state of an epoch takes, or those of the model and of
  // the network that computes its golden embeddings.
  uint64_t writing_bytes = 0;

  // Nothing is written while there is a batch.
  uint64_t total_bytes() const { return networks_bytes + std::max(batch_bytes, writing_bytes); }
};

// Makes the networks of the spec once more, passes two and four images of each modality through
// them, there and back, and counts the tensors: what a batch takes grows linearly with its images,
// whatever the network. An analytic count would have to know each of them. `ranks`: the processes
// that share each batch. Draws from torch's global random numbers. All zero where the run computes
// on a GPU. InvalidArgument as SelectDevice and DualEncoder::Create; FailedPrecondition if not even
// four images fit.
absl::StatusOr<TrainingMemory> MeasureTrainingMemory(const OpenDataSets& data_sets,
                                                     const v1::TrainingSpec& resolved,
                                                     int ranks = 1);

}  // namespace s2p

#endif  // S2P_TRAINER_MEMORY_TRAINING_MEMORY_H_

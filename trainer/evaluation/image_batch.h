// Images as a network takes them, without augmentation.
#ifndef S2P_TRAINER_EVALUATION_IMAGE_BATCH_H_
#define S2P_TRAINER_EVALUATION_IMAGE_BATCH_H_

#include <torch/types.h>

#include "trainer/data/batch_loader.h"

namespace s2p {

// Images begin to end - 1 as [n, 3, H, W] float32 on the CPU, normalised. Throws c10::Error, as
// LibTorch does, if the images stay in a packed file that can no longer be read.
torch::Tensor NormalizedBatch(const PreparedImages& images, int begin, int end);

// The loader's pixels as a tensor of that form, on `device`. On the CPU it refers to `batch`, which
// must outlive it.
// With `channels_last` it is a copy in that memory format.
torch::Tensor ToTensor(LoadedBatch& batch, torch::Device device, bool channels_last = false);

}  // namespace s2p

#endif  // S2P_TRAINER_EVALUATION_IMAGE_BATCH_H_

#include "trainer/checkpoint_evaluation.h"

#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <algorithm>
#include <thread>

#include "absl/strings/str_cat.h"
#include "model/dual_encoder.h"
#include "model/torch_device.h"
#include "model/torch_version.h"

namespace s2p {

absl::StatusOr<EvaluationResult> EvaluateCheckpoint(const Checkpoint& checkpoint,
                                                    const DataSet& data_set,
                                                    const std::vector<DataSetImage>& images,
                                                    const std::string& direction,
                                                    const CheckpointEvaluationOptions& options) {
  const auto device = SelectDevice(options.device);
  if (!device.ok()) return device.status();
  const int threads = options.threads > 0
                          ? options.threads
                          : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  at::set_num_threads(threads);
  UseFullFloat32();
  const auto encoder = DualEncoder::Create(checkpoint.manifest);
  if (!encoder.ok()) return encoder.status();
  if (absl::Status status = (*encoder)->SetWeights(checkpoint.weights); !status.ok()) {
    return absl::Status(status.code(), absl::StrCat(checkpoint.directory, "/", kWeightsFileName,
                                                    ": ", status.message()));
  }
  const auto set = LoadEvaluationSet(data_set, images, checkpoint.manifest, threads);
  if (!set.ok()) return set.status();
  try {
    (*encoder)->to(*device);
  } catch (const std::exception& error) {
    return TorchError(error, "networks");
  }
  auto result = Evaluate(**encoder, *set, direction);
  if (!result.ok()) return result.status();
  result->evaluation.set_dataset(data_set.name());
  return result;
}

}  // namespace s2p

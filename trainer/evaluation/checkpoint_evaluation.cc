#include "trainer/evaluation/checkpoint_evaluation.h"

#include <ATen/Parallel.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/hardware_threads.h"
#include "base/status_macros.h"
#include "model/torch_device.h"
#include "model/torch_version.h"

namespace s2p {
namespace {

int Threads(int threads) { return threads > 0 ? threads : HardwareThreads(); }

// Columns of the attributes that model and data set share, in the model's order.
struct SharedAttributes {
  std::vector<std::string> names;
  std::vector<size_t> of_model, of_data_set;
};

SharedAttributes SharedBy(const v1::CheckpointManifest& manifest, const DataSet& data_set) {
  SharedAttributes shared;
  const std::vector<std::string>& known = data_set.attributes();
  for (int i = 0; i < manifest.attributes_size(); ++i) {
    const auto found = std::find(known.begin(), known.end(), manifest.attributes(i));
    if (found == known.end()) continue;
    shared.names.push_back(manifest.attributes(i));
    shared.of_model.push_back(static_cast<size_t>(i));
    shared.of_data_set.push_back(static_cast<size_t>(found - known.begin()));
  }
  return shared;
}

}  // namespace

absl::StatusOr<std::shared_ptr<DualEncoder>> LoadNetworks(
    const Checkpoint& checkpoint, const CheckpointEvaluationOptions& options) {
  S2P_ASSIGN_OR_RETURN(const auto device, SelectDevice(options.device));
  at::set_num_threads(Threads(options.threads));
  UseFullFloat32();
  S2P_ASSIGN_OR_RETURN(auto encoder, DualEncoder::Create(checkpoint.manifest));
  if (absl::Status status = encoder->SetWeights(checkpoint.weights); !status.ok()) {
    return absl::Status(status.code(), absl::StrCat(checkpoint.directory, "/", kWeightsFileName,
                                                    ": ", status.message()));
  }
  try {
    encoder->to(device);
  } catch (const std::exception& error) {
    return TorchError(error, "networks");
  }
  return encoder;
}

absl::StatusOr<EvaluationResult> EvaluateCheckpoint(const Checkpoint& checkpoint,
                                                    const DataSet& data_set,
                                                    const std::vector<DataSetImage>& images,
                                                    const std::string& direction,
                                                    const CheckpointEvaluationOptions& options) {
  S2P_ASSIGN_OR_RETURN(const auto encoder, LoadNetworks(checkpoint, options));
  S2P_ASSIGN_OR_RETURN(const auto set,
                       LoadEvaluationSet(data_set, images, checkpoint.manifest,
                                         Threads(options.threads), options.max_unreadable));
  S2P_ASSIGN_OR_RETURN(auto result, Evaluate(*encoder, set, direction));
  result.evaluation.set_dataset(data_set.name());
  return result;
}

absl::StatusOr<std::vector<AttributeAccuracy>> MeasureAttributes(
    DualEncoder& encoder, const v1::CheckpointManifest& manifest, const DataSet& data_set,
    const std::vector<DataSetImage>& images, int threads) {
  const SharedAttributes shared = SharedBy(manifest, data_set);
  std::vector<DataSetImage> photos;
  std::vector<float> values;
  for (const DataSetImage& image : images) {
    const bool known =
        std::any_of(shared.of_data_set.begin(), shared.of_data_set.end(), [&](size_t column) {
          return column < image.attributes.size() && !std::isnan(image.attributes[column]);
        });
    if (image.modality != v1::MODALITY_PHOTO || !known) continue;
    photos.push_back(image);
    for (const size_t column : shared.of_data_set) values.push_back(image.attributes[column]);
  }
  if (photos.empty()) return std::vector<AttributeAccuracy>();
  S2P_ASSIGN_OR_RETURN(const auto preprocessor, Preprocessor::Create(manifest.photo()));
  S2P_ASSIGN_OR_RETURN(const auto prepared,
                       PreparedImages::Load(data_set, photos, preprocessor, Threads(threads)));
  S2P_ASSIGN_OR_RETURN(const auto predicted,
                       PredictAttributes(encoder, *prepared, v1::MODALITY_PHOTO));
  EmbeddingMatrix probabilities(predicted.rows(), static_cast<int>(shared.names.size()));
  for (int row = 0; row < predicted.rows(); ++row) {
    for (size_t i = 0; i < shared.of_model.size(); ++i) {
      probabilities.row(row)[i] = predicted.row(row)[shared.of_model[i]];
    }
  }
  return AttributeAccuracies(probabilities, values, shared.names);
}

}  // namespace s2p

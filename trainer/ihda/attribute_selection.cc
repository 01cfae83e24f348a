#include "trainer/ihda/attribute_selection.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "trainer/data/data_set.h"
#include "trainer/evaluation/checkpoint_evaluation.h"
#include "trainer/ihda/ihda_trainer.h"

namespace s2p {
namespace {

// A network that was trained, on the CPU or wherever the spec trains.
struct Trained {
  v1::CheckpointManifest manifest;
  std::shared_ptr<DualEncoder> networks;
};

absl::StatusOr<Trained> Train(const v1::TrainingSpec& spec, const std::string& what,
                              const AttributeSelectionOptions& options) {
  IhdaTrainerOptions trainer_options;
  trainer_options.checkpoint_root = options.checkpoint_root;
  trainer_options.threads = options.threads;
  trainer_options.observer.stop = options.stop;
  if (options.on_progress) {
    trainer_options.observer.on_progress = [&](const v1::TrainingProgress& progress) {
      options.on_progress(what, progress);
    };
  }
  S2P_ASSIGN_OR_RETURN(auto plan,
                       PlanRun(spec, options.checkpoint_root, /*held_back=*/{}, options.stop));
  S2P_ASSIGN_OR_RETURN(auto trainer, IhdaTrainer::Create(std::move(plan), trainer_options));
  S2P_RETURN_IF_ERROR(trainer->Run());
  S2P_ASSIGN_OR_RETURN(auto model, trainer->Model({}, ""));
  Checkpoint checkpoint{what, std::move(model.manifest), std::move(model.weights)};
  S2P_ASSIGN_OR_RETURN(auto networks, LoadNetworks(checkpoint, {spec.device(), options.threads}));
  return Trained{std::move(checkpoint.manifest), std::move(networks)};
}

std::vector<DataSetImage> SourcePhotos(const DataSet& source) {
  std::vector<DataSetImage> photos;
  for (const DataSetImage& image : source.images()) {
    if (image.split == "train" && image.modality == v1::MODALITY_PHOTO) photos.push_back(image);
  }
  return photos;
}

absl::StatusOr<std::vector<DataSetImage>> UntrainedPhotos(const OpenDataSets& data_sets) {
  std::vector<DataSetImage> photos;
  for (const DataSetImage& image : data_sets.target.images()) {
    // The data set that is written links to the folder of the target alone.
    if (!image.folder.empty()) continue;
    if (image.modality == v1::MODALITY_PHOTO && !data_sets.IsTrainedOn(image)) {
      photos.push_back(image);
    }
  }
  if (photos.size() >= 2) return photos;
  return absl::FailedPreconditionError(absl::StrCat(
      data_sets.target.folder(), ": ", photos.size(),
      " photos are not trained on, and attributes are predicted for those; hold identities back "
      "with validation.fraction, or add photos of the split \"test\""));
}

absl::StatusOr<EmbeddingMatrix> Predict(const Trained& trained, const DataSet& data_set,
                                        const std::vector<DataSetImage>& photos, int threads) {
  S2P_ASSIGN_OR_RETURN(const auto preprocessor, Preprocessor::Create(trained.manifest.photo()));
  S2P_ASSIGN_OR_RETURN(const auto prepared,
                       PreparedImages::Load(data_set, photos, preprocessor, std::max(1, threads)));
  return PredictAttributes(*trained.networks, *prepared, v1::MODALITY_PHOTO);
}

// A source data set made of the target's photos and what was predicted for them.
absl::Status WritePredicted(const std::string& folder, const OpenDataSets& data_sets,
                            std::vector<DataSetImage> photos, const EmbeddingMatrix& predicted) {
  const DataSet& target = data_sets.target;
  S2P_RETURN_IF_ERROR(CreateDataSetFolder(folder));
  std::error_code error;
  const std::filesystem::path from = std::filesystem::absolute(target.folder(), error);
  if (!error) std::filesystem::create_directory_symlink(from, folder + "/target", error);
  if (error) {
    return absl::FailedPreconditionError(
        absl::StrCat(folder, "/target: cannot be linked: ", error.message()));
  }
  for (size_t i = 0; i < photos.size(); ++i) {
    photos[i].path = absl::StrCat("target/", photos[i].path);
    photos[i].identity = absl::StrCat(i);
    photos[i].split = "train";
    photos[i].attributes.clear();
    for (const float probability : predicted.row(static_cast<int>(i))) {
      photos[i].attributes.push_back(probability >= 0.5F ? 1 : 0);
    }
  }
  DataSetDescription description;
  description.name = "predicted attributes of " + target.name();
  description.attributes = data_sets.attributes();
  description.source = "predicted by a network trained on " + data_sets.source->name();
  return WriteDataSet(folder, description, photos);
}

absl::Status CheckSpec(const v1::TrainingSpec& resolved) {
  if (resolved.source_dataset().empty()) {
    return absl::InvalidArgumentError("source_dataset: must be the folder with the attributes");
  }
  // The way back is a step 1, even if a version has been through it on the way there.
  if (resolved.loss().attribute() * resolved.step1().attribute_factor() <= 0 ||
      resolved.step1().epochs() == 0) {
    return absl::InvalidArgumentError(
        "loss.attribute, step1.attribute_factor and step1.epochs: must be above 0");
  }
  return absl::OkStatus();
}

// Step 1 on predictions: every photo is an identity of its own, and only attributes are learned.
v1::TrainingSpec WayBack(v1::TrainingSpec there, const std::string& predicted) {
  there.set_source_dataset(predicted);
  there.clear_initial_version();
  there.mutable_step1()->set_images_per_identity(1);
  there.mutable_step2()->set_epochs(0);
  there.mutable_loss()->set_identity(0);
  there.mutable_loss()->set_triplet(0);
  there.mutable_loss()->set_contrastive(0);
  return there;
}

// Share of the rows for which this column is predicted.
double ShareOf(const EmbeddingMatrix& predicted, size_t column) {
  double positives = 0;
  for (int row = 0; row < predicted.rows(); ++row) {
    positives += predicted.row(row)[column] >= 0.5F ? 1 : 0;
  }
  return positives / std::max(1, predicted.rows());
}

}  // namespace

absl::StatusOr<std::vector<SelectedAttribute>> SelectAttributes(
    const v1::TrainingSpec& resolved, const AttributeSelectionOptions& options) {
  S2P_RETURN_IF_ERROR(CheckSpec(resolved));
  S2P_ASSIGN_OR_RETURN(const auto data_sets, OpenTrainingDataSets(resolved));
  const std::vector<std::string> names = data_sets.attributes();
  if (names.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(data_sets.source->folder(), ": has no attributes"));
  }
  S2P_ASSIGN_OR_RETURN(const auto photos, UntrainedPhotos(data_sets));
  S2P_ASSIGN_OR_RETURN(const auto on_source, Train(resolved, "source", options));
  S2P_ASSIGN_OR_RETURN(const auto predicted,
                       Predict(on_source, data_sets.target, photos, options.threads));
  S2P_RETURN_IF_ERROR(WritePredicted(options.work_dir, data_sets, photos, predicted));
  const auto on_target = Train(WayBack(resolved, options.work_dir), "target", options);
  if (!on_target.ok()) return on_target.status();
  S2P_ASSIGN_OR_RETURN(
      const auto accuracies,
      MeasureAttributes(*on_target->networks, on_target->manifest, *data_sets.source,
                        SourcePhotos(*data_sets.source), options.threads));

  std::vector<SelectedAttribute> selected;
  for (const AttributeAccuracy& back : accuracies) {
    const auto column = std::find(names.begin(), names.end(), back.name) - names.begin();
    selected.push_back({back, ShareOf(predicted, static_cast<size_t>(column)),
                        back.balanced_accuracy >= options.threshold});
  }
  return selected;
}

}  // namespace s2p

#include "trainer/program/spec_check.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/checkpoint.h"
#include "model/torch_device.h"
#include "model/weights/weight_files.h"
#include "trainer/data/data_set.h"
#include "trainer/data/joined_pairs.h"
#include "trainer/data/packed_images.h"
#include "trainer/ihda/batch_parts.h"
#include "trainer/ihda/first_weights.h"
#include "trainer/ihda/training_data.h"
#include "trainer/memory/run_memory.h"
#include "trainer/program/reference_set.h"
#include "trainer/spec/training_spec.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;

// A thousand look-ups take a second on a network's disk.
constexpr size_t kMostImagesLookedFor = 1000;

bool IsInside(const fs::path& path, const fs::path& root) {
  const auto ends = std::mismatch(root.begin(), root.end(), path.begin(), path.end());
  return ends.first == root.end();
}

// The path made absolute below the root; nothing if it leads elsewhere.
std::optional<std::string> Confined(const std::string& data_root, const std::string& given) {
  std::error_code error;
  const fs::path root = fs::canonical(data_root, error);
  if (error) return std::nullopt;
  const fs::path path = fs::weakly_canonical(root / given, error);
  if (error || !IsInside(path, root)) return std::nullopt;
  return path.string();
}

std::vector<const DataSetImage*> PointersTo(const std::vector<DataSetImage>& images) {
  std::vector<const DataSetImage*> pointers;
  for (const DataSetImage& image : images) pointers.push_back(&image);
  return pointers;
}

// Says if images are missing, as far as a few of them show: a data set may lie on a slow disk, and
// somebody waits for the answer. `allowed_share` of each part may be missing.
void CheckFiles(const char* field, const DataSet& data_set,
                const std::vector<const DataSetImage*>& images, double allowed_share,
                std::vector<std::string>& errors) {
  if (data_set.packed() != nullptr) return;
  const size_t asked = std::min(images.size(), kMostImagesLookedFor);
  size_t missing = 0;
  std::string first;
  for (size_t i = 0; i < asked; ++i) {
    const DataSetImage& image = *images[i * images.size() / asked];
    std::error_code error;
    if (fs::is_regular_file(data_set.PathOf(image), error)) continue;
    if (missing++ == 0) first = image.path;
  }
  // More than the share of all images are more than the share of at least one part.
  const double allowed = allowed_share * static_cast<double>(images.size());
  if (missing == 0 || (missing < asked && static_cast<double>(missing) <= allowed)) return;
  errors.push_back(absl::StrCat(field, ": ", data_set.folder(), ": ", missing, " of ", asked,
                                " images that were looked for are missing; the first: ", first));
}

// Says if images of a packed file were prepared for another network's input.
void CheckPacked(const char* field, const DataSet& data_set, v1::Modality modality,
                 const v1::Preprocessing& wanted, std::vector<std::string>& errors) {
  if (data_set.packed() == nullptr) return;
  const absl::Status status = data_set.packed()->CheckPreprocessing(modality, wanted);
  if (!status.ok()) errors.push_back(absl::StrCat(field, ": ", status.message()));
}

void CheckTarget(const v1::TrainingSpec& spec, const OpenDataSets& data_sets,
                 std::vector<std::string>& errors) {
  const auto parts = DivideTarget(data_sets, spec);
  if (!parts.ok()) {
    errors.push_back(absl::StrCat("target_dataset: ", parts.status().message()));
    return;
  }
  std::vector<const DataSetImage*> images;
  for (const auto* part : {&parts->photos, &parts->sketches, &parts->validation, &parts->test}) {
    images.insert(images.end(), part->begin(), part->end());
  }
  CheckFiles("target_dataset", data_sets.target, images, spec.max_unreadable(), errors);
  CheckPacked("target_dataset", data_sets.target, v1::MODALITY_PHOTO, PreprocessingOf(spec.photo()),
              errors);
  CheckPacked("target_dataset", data_sets.target, v1::MODALITY_SKETCH,
              PreprocessingOf(spec.sketch()), errors);
}

// The attributes that the spec trains, if the source has them all.
std::optional<std::vector<std::string>> CheckSource(const v1::TrainingSpec& spec,
                                                    const DataSet& source,
                                                    std::vector<std::string>& errors) {
  const auto photos = SourcePhotos(source, spec);
  if (photos.ok()) {
    CheckFiles("source_dataset", source, PointersTo(*photos), spec.max_unreadable(), errors);
    CheckPacked("source_dataset", source, v1::MODALITY_PHOTO, PreprocessingOf(spec.photo()),
                errors);
  } else {
    errors.push_back(absl::StrCat("source_dataset: ", photos.status().message()));
  }
  const auto columns = ChooseAttributes(source, spec);
  if (!columns.ok()) {
    errors.emplace_back(columns.status().message());
    return std::nullopt;
  }
  std::vector<std::string> attributes;
  for (const size_t column : *columns) attributes.push_back(source.attributes()[column]);
  return attributes;
}

// Whether its images are there is checked apart, and only as far as a run would refuse them.
std::optional<DataSet> OpenDataSet(const char* field, const std::string& path,
                                   std::vector<std::string>& errors) {
  auto data_set = DataSet::Open(path, ImageFiles::kMayBeMissing);
  if (data_set.ok()) return *std::move(data_set);
  errors.push_back(absl::StrCat(field, ": ", data_set.status().message()));
  return std::nullopt;
}

std::optional<DataSet> OpenTarget(const v1::TrainingSpec& spec, std::vector<std::string>& errors) {
  auto joined =
      OpenWithPairs(spec.target_dataset(), spec.pairs_dataset(), ImageFiles::kMayBeMissing);
  if (joined.ok()) return *std::move(joined);
  const bool opens = DataSet::Open(spec.target_dataset(), ImageFiles::kMayBeMissing).ok();
  errors.push_back(
      absl::StrCat(opens ? "pairs_dataset" : "target_dataset", ": ", joined.status().message()));
  return std::nullopt;
}

void CheckReference(const v1::TrainingSpec& spec, std::vector<std::string>& errors) {
  const std::string& folder = spec.publish().reference_dataset();
  if (folder.empty() ||
      spec.publish().policy() != v1::TrainingSpec::PublishSpec::POLICY_IF_BETTER) {
    return;
  }
  const char* field = "publish.reference_dataset";
  const auto reference = OpenDataSet(field, folder, errors);
  if (!reference) return;
  const auto images = ReferenceImages(*reference);
  if (!images.ok()) {
    errors.push_back(absl::StrCat(field, ": ", images.status().message()));
    return;
  }
  CheckFiles(field, *reference, PointersTo(*images), spec.max_unreadable(), errors);
}

// The attributes that the spec trains, if they are known.
std::optional<std::vector<std::string>> CheckData(const v1::TrainingSpec& spec,
                                                  uint64_t memory_bytes,
                                                  std::vector<std::string>& errors) {
  auto target = OpenTarget(spec, errors);
  std::optional<DataSet> source;
  std::optional<std::vector<std::string>> attributes;
  if (spec.source_dataset().empty()) {
    attributes.emplace();
  } else {
    source = OpenDataSet("source_dataset", spec.source_dataset(), errors);
    if (source) attributes = CheckSource(spec, *source, errors);
  }
  if (!target) return attributes;
  const OpenDataSets data_sets = DataSetsOf(spec, std::move(source), *std::move(target));
  CheckTarget(spec, data_sets, errors);
  const absl::Status fits =
      CheckMemory(ImageBytes(data_sets, spec), memory_bytes, "are all there is");
  if (!fits.ok()) errors.push_back(absl::StrCat("target_dataset: ", fits.message()));
  return attributes;
}

void CheckInitial(const v1::TrainingSpec& spec, const CheckpointStore& store,
                  const std::optional<std::vector<std::string>>& attributes,
                  std::vector<std::string>& errors) {
  if (!spec.initial_weights().empty()) {
    const absl::Status weights = CheckWeights(spec.initial_weights());
    if (!weights.ok()) errors.push_back(absl::StrCat("initial_weights: ", weights.message()));
  }
  if (!spec.has_initial_version()) return;
  const auto manifest = ReadManifest(store.DirectoryOf(spec.initial_version()));
  if (!manifest.ok()) {
    errors.push_back(absl::StrCat("initial_version: ", manifest.status().message()));
    return;
  }
  if (!attributes) return;
  const absl::Status same = CheckAttributes(*manifest, *attributes);
  if (!same.ok()) errors.push_back(absl::StrCat("initial_version: ", same.message()));
}

}  // namespace

void ConfinePaths(const std::string& data_root, v1::TrainingSpec& spec,
                  std::vector<std::string>& errors) {
  const auto confine = [&](const char* field, const std::string& given, auto set) {
    if (given.empty()) return;
    const auto path = Confined(data_root, given);
    if (path) {
      set(*path);
    } else {
      errors.push_back(absl::StrCat(field, ": ", given, " is not inside the data root"));
    }
  };
  confine("source_dataset", spec.source_dataset(),
          [&](const std::string& path) { spec.set_source_dataset(path); });
  confine("target_dataset", spec.target_dataset(),
          [&](const std::string& path) { spec.set_target_dataset(path); });
  confine("pairs_dataset", spec.pairs_dataset(),
          [&](const std::string& path) { spec.set_pairs_dataset(path); });
  confine("publish.reference_dataset", spec.publish().reference_dataset(),
          [&](const std::string& path) { spec.mutable_publish()->set_reference_dataset(path); });
  confine("initial_weights", spec.initial_weights(),
          [&](const std::string& path) { spec.set_initial_weights(path); });
}

std::vector<std::string> RunErrors(const v1::TrainingSpec& resolved, const CheckpointStore& store,
                                   uint64_t memory_bytes) {
  std::vector<std::string> errors;
  const absl::Status distinct = CheckDistinct(resolved);
  if (!distinct.ok()) errors.emplace_back(distinct.message());
  const auto attributes = CheckData(resolved, memory_bytes, errors);
  CheckInitial(resolved, store, attributes, errors);
  CheckReference(resolved, errors);
  const auto device = SelectDevice(resolved.device().empty() ? "auto" : resolved.device());
  if (!device.ok()) {
    errors.push_back(absl::StrCat("device: ", device.status().message()));
  } else if (resolved.precision() == v1::PRECISION_BF16) {
    const absl::Status status = CheckBf16(*device);
    if (!status.ok()) errors.push_back(absl::StrCat("precision: ", status.message()));
  }
  return errors;
}

}  // namespace s2p

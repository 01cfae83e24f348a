#include "trainer/program/spec_check.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "model/checkpoint.h"
#include "model/safetensors.h"
#include "model/torch_device.h"
#include "trainer/data/data_set.h"
#include "trainer/ihda/first_weights.h"
#include "trainer/ihda/training_data.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;

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

// Counts what a spec's batches are made of.
struct Counts {
  int64_t pairs = 0;
  std::set<std::string> source_identities;
};

// Identities of the training part that have a photo and a sketch.
int64_t CountPairs(const DataSet& target, const v1::TrainingSpec& spec) {
  const HeldBack held_back = HeldBackOf(spec);
  const double fraction = PairFractionOf(spec);
  std::map<std::string, std::pair<bool, int64_t>> of;
  for (const DataSetImage& image : target.images()) {
    if (image.split != "train" || IsHeldBack(image, held_back) ||
        !IsInPairFraction(image.identity, fraction)) {
      continue;
    }
    if (image.modality == v1::MODALITY_SKETCH) {
      ++of[image.identity].second;
    } else {
      of[image.identity].first = true;
    }
  }
  int64_t pairs = 0;
  for (const auto& [identity, has] : of) pairs += has.first && has.second > 0 ? 1 : 0;
  return pairs;
}

int64_t CountSourceIdentities(const DataSet& source) {
  std::set<std::string> identities;
  for (const DataSetImage& image : source.images()) {
    if (image.split == "train" && image.modality == v1::MODALITY_PHOTO) {
      identities.insert(image.identity);
    }
  }
  return static_cast<int64_t>(identities.size());
}

void CheckTarget(const v1::TrainingSpec& spec, std::vector<std::string>& errors) {
  const auto target = DataSet::Open(spec.target_dataset());
  if (!target.ok()) {
    errors.push_back(absl::StrCat("target_dataset: ", target.status().message()));
    return;
  }
  if (spec.step2().epochs() == 0) return;
  const int64_t pairs = CountPairs(*target, spec);
  if (pairs < 2) {
    errors.push_back(absl::StrCat("target_dataset: ", spec.target_dataset(), ": ", pairs,
                                  " identities have a photo and a sketch to train with; at least 2 "
                                  "are needed"));
  }
}

// The attributes that the spec trains, if they are all there.
std::optional<std::vector<std::string>> CheckSource(const v1::TrainingSpec& spec,
                                                    std::vector<std::string>& errors) {
  std::vector<std::string> attributes;
  if (spec.source_dataset().empty()) return attributes;
  const auto source = DataSet::Open(spec.source_dataset());
  if (!source.ok()) {
    errors.push_back(absl::StrCat("source_dataset: ", source.status().message()));
    return std::nullopt;
  }
  const int64_t identities = CountSourceIdentities(*source);
  if (identities < 2) {
    errors.push_back(absl::StrCat("source_dataset: ", spec.source_dataset(), ": ", identities,
                                  " identities to train with; at least 2 are needed"));
  }
  const auto columns = ChooseAttributes(*source, spec);
  if (!columns.ok()) {
    errors.emplace_back(columns.status().message());
    return std::nullopt;
  }
  for (const size_t column : *columns) attributes.push_back(source->attributes()[column]);
  return attributes;
}

void CheckInitial(const v1::TrainingSpec& spec, const CheckpointStore& store,
                  const std::optional<std::vector<std::string>>& attributes,
                  std::vector<std::string>& errors) {
  if (!spec.initial_weights().empty()) {
    const auto weights = ReadSafetensors(spec.initial_weights());
    if (!weights.ok())
      errors.push_back(absl::StrCat("initial_weights: ", weights.status().message()));
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
      errors.push_back(
          absl::StrCat(field, ": ", given, " is not inside the data root ", data_root));
    }
  };
  confine("source_dataset", spec.source_dataset(),
          [&](const std::string& path) { spec.set_source_dataset(path); });
  confine("target_dataset", spec.target_dataset(),
          [&](const std::string& path) { spec.set_target_dataset(path); });
  confine("initial_weights", spec.initial_weights(),
          [&](const std::string& path) { spec.set_initial_weights(path); });
}

std::vector<std::string> RunErrors(const v1::TrainingSpec& resolved, const CheckpointStore& store) {
  std::vector<std::string> errors;
  CheckTarget(resolved, errors);
  const auto attributes = CheckSource(resolved, errors);
  CheckInitial(resolved, store, attributes, errors);
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

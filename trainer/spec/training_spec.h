// The spec of a training run: reading it, filling it in, and what follows from it.
#ifndef S2P_TRAINER_SPEC_TRAINING_SPEC_H_
#define S2P_TRAINER_SPEC_TRAINING_SPEC_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "s2p/v1/checkpoint.pb.h"
#include "s2p/v1/training.pb.h"

namespace s2p {

// Reads a file as ReadMessageFile does.
absl::StatusOr<v1::TrainingSpec> ReadSpec(const std::string& path);

// The presets that are compiled in (trainer/spec/presets), by name.
std::vector<std::string> PresetNames();

// The spec with every unset field taken from its preset ("shoes" if it names none).
// InvalidArgument for an unknown preset, and naming each field that has moved (spec_form.h) or that
// the spec sets in vain (ignored_fields.h).
absl::StatusOr<v1::TrainingSpec> ResolveSpec(const v1::TrainingSpec& spec);

// Hidden units of the attribute and domain classifiers: 512 in the paper (section III-B), 128 in
// the release.
int HeadWidth(v1::Recipe recipe);

// The preparation of a modality's images, with ImageNet's mean and standard deviation, which the
// backbones' published weights were trained with.
v1::Preprocessing PreprocessingOf(const v1::TrainingSpec::InputSpec& input);

// Whether images and convolutions are channels-last in memory: as the spec says, else with BF16.
bool IsChannelsLast(const v1::TrainingSpec& spec);

// loss.photo_neighbours with its defaults where the spec says nothing.
v1::TrainingSpec::LossSpec::PhotoNeighbours PhotoNeighboursOf(const v1::TrainingSpec& spec);

// True if the run begins with step 1: it has epochs and a source, and the networks do not come from
// a version, whatever that was trained on, unless the spec has repeat_step1.
bool RunsStep1(const v1::TrainingSpec& resolved);

// The backbone of the manifest.
v1::Backbone BackboneOf(const v1::TrainingSpec& resolved);

// The model that a resolved, valid spec describes: backbone, embedding, preprocessing and
// attributes of the manifest. InvalidArgument as PooledDimension.
absl::StatusOr<v1::CheckpointManifest> ManifestOf(const v1::TrainingSpec& resolved,
                                                  const std::vector<std::string>& attributes);

// Lower-case hex SHA-256 of the binary form, in deterministic order, of the spec as the first
// programs wrote it (spec_form.h).
std::string SpecDigest(const v1::TrainingSpec& spec);

}  // namespace s2p

#endif  // S2P_TRAINER_SPEC_TRAINING_SPEC_H_

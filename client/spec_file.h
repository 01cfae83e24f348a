// The spec of a training job as people write it.
#ifndef S2P_CLIENT_SPEC_FILE_H_
#define S2P_CLIENT_SPEC_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "s2p/v1/training.pb.h"

namespace s2p {

// Reads a file in protobuf's text format, or in JSON when it begins with "{", as ReadTextFile does.
// Presets are filled in by the trainer, which also checks the values. InvalidArgument naming the
// file and what is wrong in it, in the text format with line and column.
absl::StatusOr<v1::TrainingSpec> ReadSpecFile(const std::string& path);

// Sets one field from "step2.epochs=5", with the meaning that --set has in s2p-trainer: names as in
// the proto, enum values with or without their prefix ("recipe=release"). InvalidArgument naming
// the field and what it takes.
absl::Status SetSpecField(absl::string_view assignment, v1::TrainingSpec& spec);

}  // namespace s2p

#endif  // S2P_CLIENT_SPEC_FILE_H_

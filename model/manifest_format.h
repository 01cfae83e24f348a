// The JSON form of a manifest in each version of the checkpoint format.
#ifndef S2P_MODEL_MANIFEST_FORMAT_H_
#define S2P_MODEL_MANIFEST_FORMAT_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "s2p/v1/checkpoint.pb.h"

namespace s2p {

// The oldest version of the format that has every field that is set in `manifest`. A program that
// knows only an older one must refuse it: it would compute something else, in silence.
uint32_t OldestFormatOf(const v1::CheckpointManifest& manifest);

// The manifest as JSON with every field of its `format_version`, unset ones as 0 or empty, and none
// of a later one. Requires format_version >= OldestFormatOf(manifest). InvalidArgument for text
// that is not UTF-8.
absl::StatusOr<std::string> ManifestJson(const v1::CheckpointManifest& manifest);

}  // namespace s2p

#endif  // S2P_MODEL_MANIFEST_FORMAT_H_

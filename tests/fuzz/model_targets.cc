#include "base/check.h"
#include "model/checkpoint.h"
#include "model/manifest_format.h"
#include "model/safetensors.h"
#include "tests/fuzz/scratch_file.h"
#include "tests/fuzz/targets.h"

namespace s2p::fuzz {

void Safetensors(absl::string_view bytes) {
  const auto tensors = ParseSafetensors(bytes);
  if (!tensors.ok()) return;
  const auto again = ParseSafetensors(SerializeSafetensors(*tensors));
  S2P_CHECK(again.ok() && again->size() == tensors->size());
  for (const auto& [name, tensor] : *tensors) S2P_CHECK(again->at(name).bytes == tensor.bytes);
}

void Manifest(absl::string_view bytes) {
  static const ScratchFolder folder;
  folder.Write(kManifestFileName, bytes);
  const auto manifest = ReadManifest(folder.path());
  if (!manifest.ok()) return;
  S2P_CHECK(ValidateManifest(*manifest).ok());
  if (manifest->format_version() < OldestFormatOf(*manifest)) return;
  const auto json = ManifestJson(*manifest);
  S2P_CHECK(json.ok());
  folder.Write(kManifestFileName, *json);
  S2P_CHECK(ReadManifest(folder.path()).ok());
}

}  // namespace s2p::fuzz

#include "base/check.h"
#include "model/checkpoint.h"
#include "model/manifest_format.h"
#include "model/safetensors.h"
#include "model/weights/weight_files.h"
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

void WeightIndex(absl::string_view bytes) {
  static const ScratchFolder folder;
  static const bool has_files = [] {
    for (const char* name : {"a", "b"}) {
      TensorMap tensors;
      tensors[name] = TensorBytes{TensorType::kF32, {1}, std::string(4, '\0')};
      folder.Write(std::string(name) + ".safetensors", SerializeSafetensors(tensors));
    }
    return true;
  }();
  S2P_CHECK(has_files);
  const std::string path = folder.Write("model.safetensors.index.json", bytes);
  const auto weights = ReadWeights(path);
  if (!weights.ok()) return;
  S2P_CHECK(!weights->empty() && weights->size() <= 2);
  for (const auto& [name, tensor] : *weights) S2P_CHECK(name == "a" || name == "b");
  S2P_CHECK(WeightsDigest(path).ok());
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

// Tensors in a file: the safetensors format (https://github.com/huggingface/safetensors).
#ifndef S2P_MODEL_SAFETENSORS_H_
#define S2P_MODEL_SAFETENSORS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace s2p {

enum class TensorType { kF64, kF32, kF16, kBF16, kI64, kI32, kI16, kI8, kU8, kBool };

size_t SizeOf(TensorType type);
// The format's name: "F32".
absl::string_view NameOf(TensorType type);

// A tensor's bytes, row-major, little-endian. A value.
struct TensorBytes {
  TensorType type = TensorType::kF32;
  // Empty for a scalar.
  std::vector<int64_t> shape;
  std::string bytes;
};

// Tensors by name.
using TensorMap = std::map<std::string, TensorBytes>;

struct SafetensorsLimits {
  // Largest accepted JSON header.
  uint64_t max_header_bytes = uint64_t{16} << 20;
  // Largest accepted file.
  uint64_t max_file_bytes = uint64_t{8} << 30;
};

// Reads a whole file. The sizes that the file claims are checked against its real size before
// anything is allocated. NotFound if there is no such file; DataLoss, naming the tensor, if the
// header, an offset, a shape or a type is wrong, ranges overlap or leave gaps, or the file is short
// or long.
absl::StatusOr<TensorMap> ReadSafetensors(const std::string& path,
                                          const SafetensorsLimits& limits = {});
absl::StatusOr<TensorMap> ParseSafetensors(absl::string_view bytes,
                                           const SafetensorsLimits& limits = {});

// Deterministic: the same tensors give the same bytes, ordered by descending element size, then by
// name.
std::string SerializeSafetensors(const TensorMap& tensors);
// Writes and syncs; the caller renames. ResourceExhausted when the disk is full.
absl::Status WriteSafetensors(const std::string& path, const TensorMap& tensors);

}  // namespace s2p

#endif  // S2P_MODEL_SAFETENSORS_H_

// The first bytes of a safetensors file: which tensors it holds, and where.
#ifndef S2P_MODEL_SAFETENSORS_HEADER_H_
#define S2P_MODEL_SAFETENSORS_HEADER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "model/safetensors.h"

namespace s2p {

// A file begins with the length of its header, little-endian; the header follows, then the data.
inline constexpr size_t kSafetensorsLengthBytes = 8;

// The header's description of one tensor. A value.
struct SafetensorsEntry {
  std::string name;
  TensorType type = TensorType::kF32;
  std::vector<int64_t> shape;
  // The range of its bytes, counted from the first byte of the data.
  uint64_t begin = 0;
  uint64_t end = 0;
};

// The length of the JSON header, from the file's first kSafetensorsLengthBytes (or fewer, if it is
// shorter). DataLoss if file or header are longer than the limits, or the header than the file.
absl::StatusOr<uint64_t> SafetensorsHeaderLength(absl::string_view first_bytes, uint64_t file_bytes,
                                                 const SafetensorsLimits& limits);

// The tensors in the order of their data, which they fill without gaps. DataLoss naming the tensor
// for anything else; nothing is allocated for what the header only claims.
absl::StatusOr<std::vector<SafetensorsEntry>> ParseSafetensorsHeader(absl::string_view json,
                                                                     uint64_t data_bytes);

// Orders tensors as they are written, by descending element size, then by name, so that each is
// aligned to its type, and sets their ranges.
void PlaceTensors(std::vector<SafetensorsEntry>& entries);

// Length and JSON of placed tensors, padded with spaces so that the data start at a multiple of 8.
std::string SerializeSafetensorsHeader(absl::Span<const SafetensorsEntry> entries);

}  // namespace s2p

#endif  // S2P_MODEL_SAFETENSORS_HEADER_H_

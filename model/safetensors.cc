#include "model/safetensors.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "model/file.h"
#include "model/safetensors_header.h"

namespace s2p {
namespace {

TensorBytes EmptyTensorOf(const SafetensorsEntry& entry) {
  TensorBytes tensor;
  tensor.type = entry.type;
  tensor.shape = entry.shape;
  return tensor;
}

std::vector<SafetensorsEntry> EntriesOf(const TensorMap& tensors) {
  std::vector<SafetensorsEntry> entries;
  for (const auto& [name, tensor] : tensors) entries.push_back({name, tensor.type, tensor.shape});
  PlaceTensors(entries);
  for (const SafetensorsEntry& entry : entries) {
    S2P_CHECK(entry.end - entry.begin == tensors.at(entry.name).bytes.size());
  }
  return entries;
}

absl::Status InFile(const std::string& path, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
}

}  // namespace

absl::StatusOr<TensorMap> ParseSafetensors(absl::string_view bytes,
                                           const SafetensorsLimits& limits) {
  S2P_ASSIGN_OR_RETURN(const uint64_t length, SafetensorsHeaderLength(bytes, bytes.size(), limits));
  const absl::string_view data = bytes.substr(kSafetensorsLengthBytes + length);
  S2P_ASSIGN_OR_RETURN(
      const auto entries,
      ParseSafetensorsHeader(bytes.substr(kSafetensorsLengthBytes, length), data.size()));
  TensorMap tensors;
  for (const SafetensorsEntry& entry : entries) {
    TensorBytes& tensor = tensors[entry.name] = EmptyTensorOf(entry);
    tensor.bytes.assign(data.data() + entry.begin, entry.end - entry.begin);
  }
  return tensors;
}

absl::StatusOr<TensorMap> ReadSafetensors(const std::string& path,
                                          const SafetensorsLimits& limits) {
  S2P_ASSIGN_OR_RETURN(InputFile file, InputFile::Open(path));
  std::string first_bytes(std::min<uint64_t>(kSafetensorsLengthBytes, file.size_bytes()), '\0');
  S2P_RETURN_IF_ERROR(file.Read(&first_bytes[0], first_bytes.size()));
  const auto length = SafetensorsHeaderLength(first_bytes, file.size_bytes(), limits);
  if (!length.ok()) return InFile(path, length.status());
  std::string header(*length, '\0');
  S2P_RETURN_IF_ERROR(file.Read(&header[0], header.size()));
  const auto entries =
      ParseSafetensorsHeader(header, file.size_bytes() - kSafetensorsLengthBytes - *length);
  if (!entries.ok()) return InFile(path, entries.status());
  TensorMap tensors;
  // The entries are in the order of their data and leave no gaps, so the file is read sequentially.
  for (const SafetensorsEntry& entry : *entries) {
    TensorBytes& tensor = tensors[entry.name] = EmptyTensorOf(entry);
    tensor.bytes.resize(entry.end - entry.begin);
    S2P_RETURN_IF_ERROR(file.Read(&tensor.bytes[0], tensor.bytes.size()));
  }
  return tensors;
}

std::string SerializeSafetensors(const TensorMap& tensors) {
  const auto entries = EntriesOf(tensors);
  std::string bytes = SerializeSafetensorsHeader(entries);
  bytes.reserve(bytes.size() + (entries.empty() ? 0 : entries.back().end));
  for (const SafetensorsEntry& entry : entries) bytes += tensors.at(entry.name).bytes;
  return bytes;
}

absl::Status WriteSafetensors(const std::string& path, const TensorMap& tensors) {
  const auto entries = EntriesOf(tensors);
  const std::string header = SerializeSafetensorsHeader(entries);
  std::vector<absl::string_view> pieces = {header};
  for (const SafetensorsEntry& entry : entries) pieces.push_back(tensors.at(entry.name).bytes);
  uint64_t bytes = 0;
  for (const absl::string_view piece : pieces) bytes += piece.size();
  // ReadSafetensors could not read it.
  if (bytes > SafetensorsLimits().max_file_bytes) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", bytes,
                                                   " bytes are more than a file "
                                                   "that is read whole may have"));
  }
  return WriteFileSynced(path, pieces);
}

}  // namespace s2p

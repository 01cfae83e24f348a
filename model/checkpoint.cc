#include "model/checkpoint.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <cmath>
#include <cstring>
#include <set>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "model/file.h"
#include "model/manifest_format.h"
#include "model/sha256.h"

namespace s2p {
namespace {

// The probe takes up most of a manifest: at most 2 x 131,072 values.
constexpr uint64_t kMaxManifestBytes = uint64_t{16} << 20;
constexpr uint64_t kMaxFileBytes = uint64_t{8} << 30;
constexpr char kProtoFormatVersion[] = "format_version";
constexpr char kJsonFormatVersion[] = "formatVersion";

absl::Status Damaged(absl::string_view path, absl::string_view what) {
  return absl::DataLossError(absl::StrCat(path, ": ", what));
}

// Parser messages may quote the file, so they are made printable and bounded in length.
std::string Excerpt(absl::string_view message) { return absl::CHexEscape(message.substr(0, 300)); }

// Reads the format version without parsing the whole manifest, since a newer one need not parse as
// ours.
absl::StatusOr<uint32_t> FormatVersion(const std::string& path, const std::string& json) {
  google::protobuf::Struct fields;
  const auto status = google::protobuf::util::JsonStringToMessage(json, &fields);
  if (!status.ok()) {
    return Damaged(path, absl::StrCat("not JSON: ", Excerpt(std::string(status.message()))));
  }
  auto field = fields.fields().find(kJsonFormatVersion);
  if (field == fields.fields().end()) field = fields.fields().find(kProtoFormatVersion);
  if (field == fields.fields().end()) return Damaged(path, "formatVersion: missing");
  const double version = field->second.number_value();
  if (!(version >= 1 && version <= UINT32_MAX) || version != std::floor(version)) {
    return Damaged(path, "formatVersion: not a number from 1 on");
  }
  return static_cast<uint32_t>(version);
}

bool IsLowerHex(absl::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsPlainName(absl::string_view name) {
  return !name.empty() && name.size() <= 255 && name[0] != '.' &&
         name.find('/') == absl::string_view::npos && name.find('\0') == absl::string_view::npos;
}

absl::Status CheckFileList(const std::string& path, const v1::CheckpointManifest& manifest) {
  std::set<std::string> names;
  for (int i = 0; i < manifest.files_size(); ++i) {
    const v1::CheckpointFile& file = manifest.files(i);
    const std::string field = absl::StrCat("files[", i, "].");
    if (!IsPlainName(file.name()) || file.name() == kManifestFileName) {
      return Damaged(path,
                     absl::StrCat(field, "name: '", Excerpt(file.name()), "' is not allowed"));
    }
    if (!names.insert(file.name()).second) {
      return Damaged(path, absl::StrCat(field, "name: ", file.name(), " appears twice"));
    }
    if (file.sha256().size() != 64 || !IsLowerHex(file.sha256())) {
      return Damaged(path, absl::StrCat(field, "sha256: not 64 lower-case hex digits"));
    }
    if (file.bytes() > kMaxFileBytes) {
      return Damaged(path, absl::StrCat(field, "bytes: ", file.bytes(), " is absurd"));
    }
  }
  if (names.count(kWeightsFileName) == 0) {
    return Damaged(path, absl::StrCat("files: ", kWeightsFileName, " is missing"));
  }
  return absl::OkStatus();
}

absl::Status CheckSize(const std::string& path, uint64_t bytes) {
  absl::StatusOr<InputFile> file = InputFile::Open(path);
  if (absl::IsNotFound(file.status()))
    return Damaged(path, "missing, although the manifest has it");
  if (!file.ok()) return file.status();
  if (file->size_bytes() == bytes) return absl::OkStatus();
  return Damaged(
      path, absl::StrCat("size: ", file->size_bytes(), " bytes, but the manifest says ", bytes));
}

absl::Status HashDiffers(const std::string& path, absl::string_view got, absl::string_view want) {
  return Damaged(path, absl::StrCat("sha256: ", got, ", but the manifest says ", want));
}

// Reads the weights once, so that the bytes that were hashed are the bytes that are parsed.
absl::StatusOr<TensorMap> ReadWeights(const std::string& path, const v1::CheckpointFile& file) {
  S2P_ASSIGN_OR_RETURN(std::string bytes, ReadWholeFile(path, file.bytes()));
  const std::string sha256 = Sha256(bytes);
  if (sha256 != file.sha256()) return HashDiffers(path, sha256, file.sha256());
  absl::StatusOr<TensorMap> weights = ParseSafetensors(bytes);
  if (!weights.ok()) return Damaged(path, weights.status().message());
  absl::Status status = CheckFinite(*weights);
  if (!status.ok()) return Damaged(path, status.message());
  return weights;
}

// True if the exponent bits of no element are all ones.
template <typename Word>
bool AllFinite(absl::string_view bytes, Word exponent) {
  for (size_t i = 0; i + sizeof(Word) <= bytes.size(); i += sizeof(Word)) {
    Word word;
    std::memcpy(&word, bytes.data() + i, sizeof(Word));
    if ((word & exponent) == exponent) return false;
  }
  return true;
}

bool AllFinite(const TensorBytes& tensor) {
  switch (tensor.type) {
    case TensorType::kF64:
      return AllFinite<uint64_t>(tensor.bytes, 0x7FF0000000000000u);
    case TensorType::kF32:
      return AllFinite<uint32_t>(tensor.bytes, 0x7F800000u);
    case TensorType::kF16:
      return AllFinite<uint16_t>(tensor.bytes, 0x7C00u);
    case TensorType::kBF16:
      return AllFinite<uint16_t>(tensor.bytes, 0x7F80u);
    default:
      return true;
  }
}

}  // namespace

absl::StatusOr<v1::CheckpointManifest> ReadManifest(const std::string& directory) {
  const std::string path = absl::StrCat(directory, "/", kManifestFileName);
  S2P_ASSIGN_OR_RETURN(std::string json, ReadWholeFile(path, kMaxManifestBytes));
  S2P_ASSIGN_OR_RETURN(uint32_t format, FormatVersion(path, json));
  if (format > kCheckpointFormatVersion) {
    return absl::FailedPreconditionError(absl::StrCat(path, ": formatVersion: ", format,
                                                      " is newer than this program, which reads ",
                                                      kCheckpointFormatVersion));
  }
  v1::CheckpointManifest manifest;
  const auto parsed = google::protobuf::util::JsonStringToMessage(json, &manifest);
  if (!parsed.ok()) return Damaged(path, Excerpt(std::string(parsed.message())));
  if (const uint32_t needed = OldestFormatOf(manifest); needed > format) {
    return Damaged(path,
                   absl::StrCat("formatVersion: ", format, ", but there are fields of ", needed));
  }
  if (manifest.version() < 1) return Damaged(path, "version: not a number from 1 on");
  absl::Status status = ValidateManifest(manifest);
  if (!status.ok()) return Damaged(path, status.message());
  status = CheckFileList(path, manifest);
  if (!status.ok()) return status;
  return manifest;
}

absl::StatusOr<Checkpoint> ReadCheckpoint(const std::string& directory) {
  S2P_ASSIGN_OR_RETURN(v1::CheckpointManifest manifest, ReadManifest(directory));
  for (const v1::CheckpointFile& file : manifest.files()) {
    S2P_RETURN_IF_ERROR(CheckSize(absl::StrCat(directory, "/", file.name()), file.bytes()));
  }
  Checkpoint checkpoint;
  checkpoint.directory = directory;
  for (const v1::CheckpointFile& file : manifest.files()) {
    const std::string path = absl::StrCat(directory, "/", file.name());
    if (file.name() == kWeightsFileName) {
      S2P_ASSIGN_OR_RETURN(checkpoint.weights, ReadWeights(path, file));
      continue;
    }
    S2P_ASSIGN_OR_RETURN(std::string sha256, Sha256OfFile(path));
    if (sha256 != file.sha256()) return HashDiffers(path, sha256, file.sha256());
  }
  checkpoint.manifest = std::move(manifest);
  return checkpoint;
}

absl::Status CheckFinite(const TensorMap& tensors) {
  for (const auto& [name, tensor] : tensors) {
    if (!AllFinite(tensor)) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor '", name, "': holds a value that is not finite"));
    }
  }
  return absl::OkStatus();
}

}  // namespace s2p

#include "model/weights/weight_files.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/file.h"
#include "model/tensor_file.h"

namespace s2p {
namespace {

constexpr uint64_t kMaxIndexBytes = uint64_t{16} << 20;
constexpr size_t kMaxFiles = 1000;

// The file of each tensor.
using Index = std::map<std::string, std::string>;

bool IsIndex(const std::string& path) { return absl::EndsWith(path, kWeightIndexEnding); }

// With the last slash.
std::string FolderOf(const std::string& path) { return path.substr(0, path.rfind('/') + 1); }

std::string NameIn(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// At most one line.
std::string Quoted(const std::string& text) {
  return absl::StrCat("'", absl::Utf8SafeCEscape(text.substr(0, 200)), "'");
}

bool IsPlainName(const std::string& name) {
  return absl::EndsWith(name, ".safetensors") && name[0] != '.' &&
         name.find_first_of(std::string("/\\\0", 3)) == std::string::npos;
}

absl::StatusOr<Index> ReadIndex(const std::string& path) {
  S2P_ASSIGN_OR_RETURN(const auto text, ReadWholeFile(path, kMaxIndexBytes));
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object()) {
    return absl::DataLossError(absl::StrCat(path, ": is not JSON with a weight_map"));
  }
  Index index;
  for (const auto& [tensor, file] : json["weight_map"].items()) {
    if (!file.is_string()) {
      return absl::DataLossError(
          absl::StrCat(path, ": weight_map: tensor ", Quoted(tensor), " has no name of a file"));
    }
    const auto& name = file.get_ref<const std::string&>();
    if (!IsPlainName(name)) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": weight_map: ", Quoted(name),
                       " is not a safetensors file in the index's folder"));
    }
    index[tensor] = name;
  }
  return index;
}

absl::StatusOr<std::set<std::string>> FilesOf(const std::string& path, const Index& index) {
  std::set<std::string> files;
  for (const auto& [tensor, file] : index) files.insert(file);
  if (files.empty()) return absl::DataLossError(absl::StrCat(path, ": weight_map: is empty"));
  if (files.size() <= kMaxFiles) return files;
  return absl::DataLossError(absl::StrCat(path, ": weight_map: more than ", kMaxFiles, " files"));
}

// Checks that the tensors of one file, by name, are those that the index says it has.
template <typename Tensor>
absl::Status CheckListed(const std::string& path, const std::string& file, const Index& index,
                         const std::map<std::string, Tensor>& tensors) {
  for (const auto& [name, tensor] : tensors) {
    const auto found = index.find(name);
    if (found == index.end() || found->second != file) {
      return absl::DataLossError(absl::StrCat(FolderOf(path), file, ": tensor ", Quoted(name),
                                              ": is not in this file according to ", NameIn(path)));
    }
  }
  for (const auto& [name, listed] : index) {
    if (listed == file && tensors.count(name) == 0) {
      return absl::DataLossError(absl::StrCat(FolderOf(path), file, ": tensor ", Quoted(name),
                                              ": is missing, but ", NameIn(path), " lists it"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TensorMap> ReadWeights(const std::string& path, const SafetensorsLimits& limits) {
  if (!IsIndex(path)) return ReadSafetensors(path, limits);
  S2P_ASSIGN_OR_RETURN(const auto index, ReadIndex(path));
  S2P_ASSIGN_OR_RETURN(const auto files, FilesOf(path, index));
  SafetensorsLimits left = limits;
  TensorMap weights;
  for (const std::string& file : files) {
    const std::string place = FolderOf(path) + file;
    S2P_ASSIGN_OR_RETURN(const auto opened, InputFile::Open(place));
    S2P_ASSIGN_OR_RETURN(auto read, ReadSafetensors(place, left));
    left.max_file_bytes -= std::min(left.max_file_bytes, opened.size_bytes());
    S2P_RETURN_IF_ERROR(CheckListed(path, file, index, read));
    weights.merge(read);
  }
  return weights;
}

absl::Status CheckWeights(const std::string& path, const SafetensorsLimits& limits) {
  if (!IsIndex(path)) return TensorFile::Open(path, limits).status();
  S2P_ASSIGN_OR_RETURN(const auto index, ReadIndex(path));
  S2P_ASSIGN_OR_RETURN(const auto files, FilesOf(path, index));
  SafetensorsLimits left = limits;
  for (const std::string& file : files) {
    S2P_ASSIGN_OR_RETURN(const auto opened, TensorFile::Open(FolderOf(path) + file, left));
    left.max_file_bytes -= std::min(left.max_file_bytes, opened.size_bytes());
    S2P_RETURN_IF_ERROR(CheckListed(path, file, index, opened.tensors()));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> WeightsDigest(
    const std::string& path,
    const std::function<absl::StatusOr<std::string>(const std::string&)>& digest_of) {
  if (!IsIndex(path)) return digest_of(path);
  S2P_ASSIGN_OR_RETURN(const auto index, ReadIndex(path));
  S2P_ASSIGN_OR_RETURN(auto files, FilesOf(path, index));
  files.insert(NameIn(path));
  std::string lines;
  for (const std::string& file : files) {
    S2P_ASSIGN_OR_RETURN(const auto digest, digest_of(FolderOf(path) + file));
    absl::StrAppend(&lines, digest, "  ", file, "\n");
  }
  return Sha256(lines);
}

}  // namespace s2p

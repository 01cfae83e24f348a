#include "client/photo_files.h"

#include <openssl/sha.h>

#include <algorithm>
#include <filesystem>
#include <unordered_map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "client/arguments.h"
#include "client/labelled_set.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;

// A file, and its name below what the user named.
struct FoundFile {
  std::string path;
  std::string name;
  std::map<std::string, std::string> metadata;
};

bool HasImageExtension(const fs::path& path) {
  const std::string extension = absl::AsciiStrToLower(path.extension().string());
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png" || extension == ".webp";
}

absl::Status FindBelow(const std::string& folder, std::vector<FoundFile>& files) {
  std::error_code error;
  std::vector<std::string> paths;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    std::error_code not_a_file;
    if (it->is_regular_file(not_a_file) && HasImageExtension(it->path())) {
      paths.push_back(it->path().string());
    }
  }
  if (error) return absl::NotFoundError(absl::StrCat(folder, ": ", error.message()));
  if (paths.empty()) {
    return absl::NotFoundError(absl::StrCat(folder, ": no .jpg, .jpeg, .png or .webp in it"));
  }
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) {
    files.push_back({path, fs::path(path).lexically_relative(folder).string(), {}});
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<FoundFile>> FindFiles(const std::vector<std::string>& paths) {
  std::vector<FoundFile> files;
  for (const std::string& path : paths) {
    std::error_code error;
    if (fs::is_directory(path, error)) {
      if (absl::Status status = FindBelow(path, files); !status.ok()) return status;
    } else if (fs::exists(path, error)) {
      files.push_back({path, path, {}});
    } else {
      return absl::NotFoundError(absl::StrCat(path, ": no such file or folder"));
    }
  }
  return files;
}

absl::StatusOr<std::vector<FoundFile>> FilesOfDataSet(const GalleryAddOptions& options) {
  auto set = ReadLabelledSet(options.dataset, options.split);
  if (!set.ok()) return set.status();
  const auto wanted = options.modality == "sketch" ? v1::MODALITY_SKETCH : v1::MODALITY_PHOTO;
  std::vector<FoundFile> files;
  for (const LabelledImage& image : set->images) {
    if (image.modality != wanted) continue;
    files.push_back(
        {absl::StrCat(set->folder, "/", image.path),
         image.path,
         {{"identity", image.identity}, {"dataset", set->name}, {"split", set->split}}});
  }
  if (files.empty()) {
    return absl::NotFoundError(absl::StrCat(options.dataset, ": no ", options.modality,
                                            " in the split \"", options.split, "\""));
  }
  return files;
}

absl::StatusOr<std::string> IdOf(const FoundFile& file, const std::string& id_from) {
  if (id_from == "stem") return fs::path(file.name).stem().string();
  if (id_from == "path") return file.name;
  if (id_from != "sha256") {
    return absl::InvalidArgumentError(
        absl::StrCat("--id-from ", id_from, ": expected stem, path or sha256"));
  }
  auto bytes = ReadImageFile(file.path);
  if (!bytes.ok()) return bytes.status();
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes->data()), bytes->size(), digest);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof(digest)));
}

}  // namespace

absl::StatusOr<std::vector<PhotoFile>> ListPhotoFiles(const GalleryAddOptions& options) {
  if (options.paths.empty() == options.dataset.empty()) {
    return absl::InvalidArgumentError("give the photos to add: either PATHs or --dataset DIR");
  }
  auto found = options.dataset.empty() ? FindFiles(options.paths) : FilesOfDataSet(options);
  if (!found.ok()) return found.status();
  std::vector<PhotoFile> files;
  std::unordered_map<std::string, std::string> path_of_id;
  for (FoundFile& file : *found) {
    auto id = IdOf(file, options.id_from);
    if (!id.ok()) return id.status();
    const auto [it, is_new] = path_of_id.emplace(*id, file.path);
    if (!is_new && options.id_from == "sha256") continue;  // The same bytes twice.
    if (!is_new) {
      return absl::InvalidArgumentError(absl::StrCat("\"", *id, "\" would be the id of both ",
                                                     it->second, " and ", file.path,
                                                     "; --id-from path tells them apart"));
    }
    files.push_back({std::move(file.path), *std::move(id), std::move(file.metadata)});
  }
  for (const std::string& text : options.metadata) {
    auto pair = ParsePair(text, "--metadata");
    if (!pair.ok()) return pair.status();
    for (PhotoFile& file : files) file.metadata[pair->first] = pair->second;
  }
  return files;
}

}  // namespace s2p

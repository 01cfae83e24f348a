#include "client/photo_files.h"

#include <openssl/sha.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/left_behind.h"
#include "base/status_macros.h"
#include "client/arguments.h"
#include "client/clean_text.h"
#include "client/files.h"
#include "client/labelled_set.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;

// A file, and its path relative to the folder that the user named.
struct FoundFile {
  std::string path;
  std::string name;
  std::map<std::string, std::string> metadata;
};

bool HasImageExtension(const fs::path& path) {
  const std::string extension = absl::AsciiStrToLower(path.extension().string());
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png" || extension == ".webp";
}

// The images below one given folder.
class FolderWalk {
 public:
  FolderWalk(fs::path root, PhotoList& list) : root_(std::move(root)), list_(list) {}

  // Sorted by path. An unreadable folder is refused without affecting the others.
  std::vector<FoundFile> Files() {
    VisitFolder(root_);
    std::sort(paths_.begin(), paths_.end());
    std::vector<FoundFile> files;
    for (const fs::path& path : paths_) {
      files.push_back({path.string(), path.lexically_relative(root_).string(), {}});
    }
    return files;
  }

 private:
  void VisitFolder(const fs::path& folder) {
    std::error_code error;
    std::vector<fs::path> folders;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
      VisitEntry(*it, folders);
    }
    if (error) Refuse(folder, absl::ErrnoToStatus(error.value(), "the folder cannot be read"));
    for (const fs::path& below : folders) VisitFolder(below);
  }

  void VisitEntry(const fs::directory_entry& entry, std::vector<fs::path>& folders) {
    std::error_code error;
    if (IsLeftBehind(entry.path().filename().string())) {
      ++list_.skipped;
    } else if (entry.is_directory(error)) {
      if (entry.is_symlink(error)) {
        ++list_.linked_folders;
      } else {
        folders.push_back(entry.path());
      }
    } else if (HasImageExtension(entry.path())) {
      if (entry.is_regular_file(error)) {
        paths_.push_back(entry.path());
      } else if (entry.is_symlink(error)) {
        Refuse(entry.path(), absl::NotFoundError("the link does not lead to a file"));
      }
    }
  }

  void Refuse(const fs::path& path, absl::Status why) {
    list_.refused.push_back({path.string(), std::move(why)});
  }

  const fs::path root_;
  PhotoList& list_;
  std::vector<fs::path> paths_;
};

absl::StatusOr<std::vector<FoundFile>> FindFiles(const std::vector<std::string>& paths,
                                                 PhotoList& list) {
  std::vector<FoundFile> files;
  for (const std::string& path : paths) {
    std::error_code error;
    if (!fs::is_directory(path, error)) {
      if (!fs::exists(path, error)) {
        return absl::NotFoundError(
            absl::StrCat(path, ": ", error ? error.message() : "no such file or folder"));
      }
      files.push_back({path, path, {}});
      continue;
    }
    const size_t refused = list.refused.size();
    std::vector<FoundFile> found = FolderWalk(path, list).Files();
    if (found.empty() && list.refused.size() == refused) {
      return absl::NotFoundError(absl::StrCat(path, ": no .jpg, .jpeg, .png or .webp in it"));
    }
    std::move(found.begin(), found.end(), std::back_inserter(files));
  }
  return files;
}

absl::StatusOr<std::vector<FoundFile>> FilesOfDataSet(const GalleryAddOptions& options) {
  S2P_ASSIGN_OR_RETURN(auto set, ReadLabelledSet(options.dataset, options.split));
  const auto wanted = options.modality == "sketch" ? v1::MODALITY_SKETCH : v1::MODALITY_PHOTO;
  std::vector<FoundFile> files;
  for (const LabelledImage& image : set.images) {
    if (image.modality != wanted) continue;
    files.push_back({absl::StrCat(set.folder, "/", image.path),
                     image.path,
                     {{"identity", image.identity}, {"dataset", set.name}, {"split", set.split}}});
  }
  if (files.empty()) {
    return absl::NotFoundError(absl::StrCat(options.dataset, ": no ", options.modality,
                                            " in the split \"", options.split, "\""));
  }
  return files;
}

absl::StatusOr<std::string> IdOf(const FoundFile& file, const std::string& id_from) {
  constexpr char kWayOut[] = "; rename the file, or give --id-from sha256";
  if (id_from != "sha256") {
    std::string id = id_from == "path" ? file.name : fs::path(file.name).stem().string();
    const absl::Status status = CheckPhotoId(id, "the id");
    if (status.ok()) return id;
    return absl::Status(status.code(), absl::StrCat(status.message(), kWayOut));
  }
  S2P_ASSIGN_OR_RETURN(auto bytes, ReadImageFile(file.path));
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof(digest)));
}

// Gives each file its id and refuses files that cannot have one.
absl::Status NameFiles(std::vector<FoundFile> found, const std::string& id_from, PhotoList& list) {
  std::unordered_map<std::string, std::string> path_of_id;
  for (FoundFile& file : found) {
    auto id = IdOf(file, id_from);
    if (!id.ok()) {
      list.refused.push_back({std::move(file.path), id.status()});
      continue;
    }
    const auto [it, is_new] = path_of_id.emplace(*id, file.path);
    if (!is_new && id_from == "sha256") continue;  // Duplicate bytes.
    if (!is_new) {
      return absl::InvalidArgumentError(absl::StrCat("\"", *id, "\" would be the id of both ",
                                                     it->second, " and ", file.path,
                                                     "; use --id-from path to distinguish them"));
    }
    list.files.push_back({std::move(file.path), *std::move(id), std::move(file.metadata)});
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PhotoList> ListPhotoFiles(const GalleryAddOptions& options) {
  const std::string& id_from = options.id_from;
  if (id_from != "stem" && id_from != "path" && id_from != "sha256") {
    return absl::InvalidArgumentError(
        absl::StrCat("--id-from ", id_from, ": expected stem, path or sha256"));
  }
  if (options.paths.empty() == options.dataset.empty()) {
    return absl::InvalidArgumentError("give the photos to add: either PATHs or --dataset DIR");
  }
  std::map<std::string, std::string> metadata;
  for (const std::string& text : options.metadata) {
    S2P_ASSIGN_OR_RETURN(auto pair, ParsePair(text, "--metadata"));
    metadata[pair.first] = pair.second;
  }
  PhotoList list;
  S2P_ASSIGN_OR_RETURN(auto found, options.dataset.empty() ? FindFiles(options.paths, list)
                                                           : FilesOfDataSet(options));
  S2P_RETURN_IF_ERROR(NameFiles(std::move(found), id_from, list));
  for (PhotoFile& file : list.files) {
    for (const auto& [key, value] : metadata) file.metadata[key] = value;
  }
  return list;
}

}  // namespace s2p

#include "client/web/gallery_export.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "client/new_data_set.h"
#include "daemon/folder_lock.h"

namespace s2p {
namespace fs = std::filesystem;
namespace {

constexpr char kPrefix[] = "gallery-";
constexpr char kUnfinished[] = ".new";

// A photo, and its name in the data set.
struct Item {
  v1::Photo photo;
  std::string name;
};

// Names images by their digests: equal names of two data sets mean equal bytes.
class ImageNames {
 public:
  // Internal if the server has not said what the bytes are.
  absl::StatusOr<std::string> Next(const v1::Photo& photo) {
    const std::string& digest = photo.sha256();
    const bool is_digest =
        digest.size() == 64 && std::all_of(digest.begin(), digest.end(),
                                           [](unsigned char c) { return absl::ascii_isxdigit(c); });
    if (!is_digest) {
      return absl::InternalError(
          absl::StrCat("the server has no SHA-256 of photo ", photo.photo_id()));
    }
    std::string name = GalleryImageName(photo, digest);
    for (int copy = 2; !used_.insert(name).second; ++copy) {
      name = GalleryImageName(photo, absl::StrCat(digest, "-", copy));
    }
    return name;
  }

 private:
  std::set<std::string> used_;
};

absl::StatusOr<std::vector<Item>> NameAll(std::vector<v1::Photo> photos) {
  ImageNames names;
  std::vector<Item> items;
  for (v1::Photo& photo : photos) {
    S2P_ASSIGN_OR_RETURN(auto name, names.Next(photo));
    items.push_back({std::move(photo), std::move(name)});
  }
  if (items.empty()) return absl::NotFoundError("the gallery has no photos");
  return items;
}

std::string LinesOf(const std::vector<Item>& items) {
  std::string lines;
  for (const Item& item : items) lines += GalleryImageLine(item.photo, item.name);
  return lines;
}

// 0 if there is none.
int64_t NewestNumber(const std::string& folder) {
  int64_t newest = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    absl::string_view digits = name;
    int64_t number = 0;
    if (absl::ConsumePrefix(&digits, kPrefix) && absl::SimpleAtoi(digits, &number)) {
      newest = std::max(newest, number);
    }
  }
  return newest;
}

bool HasContent(const std::string& path, const std::string& content) {
  std::error_code error;
  if (fs::file_size(path, error) != content.size() || error) return false;
  std::ifstream file(path, std::ios::binary);
  return std::equal(content.begin(), content.end(), std::istreambuf_iterator<char>(file),
                    std::istreambuf_iterator<char>());
}

// Writes everything that the file system of the folder holds back.
absl::Status SyncFileSystem(const std::string& folder) {
  const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return absl::ErrnoToStatus(errno, absl::StrCat(folder, ": open"));
  const int failed = syncfs(descriptor) == 0 ? 0 : errno;
  close(descriptor);
  if (failed != 0) return absl::ErrnoToStatus(failed, absl::StrCat(folder, ": sync"));
  return absl::OkStatus();
}

// One export, with the folder locked.
class GalleryExport {
 public:
  // Both are borrowed.
  GalleryExport(const GalleryFolderOptions& options, const GallerySource& source)
      : options_(options), source_(source), newest_number_(NewestNumber(options.folder)) {}

  absl::StatusOr<std::string> Run() {
    std::error_code ignored;
    fs::remove_all(Path(kUnfinished), ignored);
    S2P_ASSIGN_OR_RETURN(auto photos, source_.list());
    S2P_ASSIGN_OR_RETURN(auto items, NameAll(std::move(photos)));
    if (IsNewest(items)) return Newest();
    S2P_RETURN_IF_ERROR(CheckRoom(items));
    S2P_RETURN_IF_ERROR(Write(items));
    return Publish();
  }

 private:
  template <typename... Parts>
  std::string Path(const Parts&... parts) const {
    return absl::StrCat(options_.folder, "/", parts...);
  }
  std::string Newest() const { return absl::StrCat(kPrefix, newest_number_); }

  // Whether the newest data set has the image.
  bool IsThere(const Item& item) const {
    std::error_code error;
    return newest_number_ > 0 &&
           fs::file_size(Path(Newest(), "/", item.name), error) == item.photo.bytes() && !error;
  }

  // Whether the newest data set is that of these photos, and undamaged.
  bool IsNewest(const std::vector<Item>& items) const {
    return newest_number_ > 0 && HasContent(Path(Newest(), "/dataset.jsonl"), LinesOf(items)) &&
           std::all_of(items.begin(), items.end(),
                       [this](const Item& item) { return IsThere(item); });
  }

  absl::Status CheckRoom(const std::vector<Item>& items) const {
    uint64_t bytes = 0;
    for (const Item& item : items) bytes += IsThere(item) ? 0 : item.photo.bytes();
    const auto disk = options_.measure_disk(options_.folder);
    // Writing will tell.
    if (!disk.ok() || bytes <= disk->free_bytes) return absl::OkStatus();
    constexpr double kMegabyte = 1e6;
    return absl::ResourceExhaustedError(
        absl::StrFormat("the photos take %.0f MB, and the disk of %s has %.0f MB left",
                        static_cast<double>(bytes) / kMegabyte, options_.folder,
                        static_cast<double>(disk->free_bytes) / kMegabyte));
  }

  absl::Status Write(const std::vector<Item>& items) {
    S2P_ASSIGN_OR_RETURN(const auto data_set, NewDataSet::Create(Path(kUnfinished)));
    ImageNames names;
    size_t written = 0;
    for (size_t done = 0; done < items.size(); ++done) {
      S2P_RETURN_IF_ERROR(source_.on_photo(done, items.size()));
      const absl::Status status = WriteOne(items[done], names, *data_set);
      if (absl::IsNotFound(status)) continue;
      S2P_RETURN_IF_ERROR(status);
      ++written;
    }
    S2P_RETURN_IF_ERROR(source_.on_photo(items.size(), items.size()));
    if (written == 0) return absl::NotFoundError("all photos were deleted meanwhile");
    return data_set->Finish("gallery", "the gallery of an s2p-server");
  }

  absl::Status WriteOne(const Item& item, ImageNames& names, NewDataSet& data_set) const {
    if (IsThere(item)) {
      S2P_ASSIGN_OR_RETURN(const auto name, names.Next(item.photo));
      // Without links, as on some network disks, it is fetched.
      if (data_set.Link(name, Path(Newest(), "/", item.name)).ok()) {
        data_set.AddGalleryLine(item.photo, name);
        return absl::OkStatus();
      }
    }
    // Its bytes may have been replaced since it was listed.
    S2P_ASSIGN_OR_RETURN(const auto now, source_.original(item.photo.photo_id()));
    S2P_ASSIGN_OR_RETURN(const auto name, names.Next(now.photo));
    S2P_RETURN_IF_ERROR(data_set.Write(name, now.bytes));
    data_set.AddGalleryLine(now.photo, name);
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> Publish() const {
    std::string name = absl::StrCat(kPrefix, newest_number_ + 1);
    std::error_code error;
    absl::Status status = SyncFileSystem(options_.folder);
    if (status.ok()) fs::rename(Path(kUnfinished), Path(name), error);
    if (error) status = absl::ErrnoToStatus(error.value(), absl::StrCat(Path(name), ": rename"));
    if (!status.ok()) {
      std::error_code ignored;
      fs::remove_all(Path(kUnfinished), ignored);
      return status;
    }
    // The new name, too.
    S2P_RETURN_IF_ERROR(SyncFileSystem(options_.folder));
    return name;
  }

  const GalleryFolderOptions& options_;
  const GallerySource& source_;
  const int64_t newest_number_;
};

}  // namespace

absl::StatusOr<std::string> ExportGallery(const GalleryFolderOptions& options,
                                          const GallerySource& source) {
  S2P_ASSIGN_OR_RETURN(const auto lock, FolderLock::Acquire(options.folder));
  return GalleryExport(options, source).Run();
}

}  // namespace s2p

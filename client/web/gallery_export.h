// The data sets that the gateway makes of the server's gallery.
#ifndef S2P_CLIENT_WEB_GALLERY_EXPORT_H_
#define S2P_CLIENT_WEB_GALLERY_EXPORT_H_

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/disk_space.h"
#include "s2p/v1/gallery.pb.h"

namespace s2p {

// A photo as the server has it now.
struct OriginalPhoto {
  v1::Photo photo;
  std::string bytes;
};

// The calls that an export makes. An error ends it, but for NotFound of `original`: that photo has
// been deleted meanwhile.
struct GallerySource {
  std::function<absl::StatusOr<std::vector<v1::Photo>>()> list;
  std::function<absl::StatusOr<OriginalPhoto>(const std::string& photo_id)> original;
  // Told after each photo, and before the first; an error ends the export.
  std::function<absl::Status(size_t done, size_t total)> on_photo;
};

struct GalleryFolderOptions {
  // Holds the data sets gallery-1, gallery-2 and so on, and nothing else of anyone's.
  std::string folder;
  // Tests replace it.
  std::function<absl::StatusOr<DiskSpace>(const std::string&)> measure_disk = MeasureDiskSpace;
};

// Makes a data set of all photos, and returns its name in the folder. The newest one is used again
// if the gallery is still what it was. Otherwise there is a new one, and the older ones stay as
// they are, because a job may be reading them; an image that the newest has is linked, so it takes
// room once. Until it is complete and on the disk, the data set has no name: a failure leaves
// nothing, and what a crash leaves is removed by the next export. FailedPrecondition if another
// process exports into the folder; ResourceExhausted, before anything is written, if the photos
// do not fit on the disk; NotFound for an empty gallery; else the source's errors and the system's.
absl::StatusOr<std::string> ExportGallery(const GalleryFolderOptions& options,
                                          const GallerySource& source);

}  // namespace s2p

#endif  // S2P_CLIENT_WEB_GALLERY_EXPORT_H_

// The plan of an import: the images to copy. Each format makes one from a folder that it only
// reads; carrying it out is the same for all of them.
#ifndef S2P_TRAINER_IMPORT_IMPORT_PLAN_H_
#define S2P_TRAINER_IMPORT_IMPORT_PLAN_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "s2p/v1/checkpoint.pb.h"
#include "trainer/data/data_set.h"

namespace s2p {

// An image to copy, and its line.
struct PlannedImage {
  std::filesystem::path from;
  DataSetImage line;
  // A sketch of none of the photos in particular.
  bool unpaired = false;
};

struct Plan {
  DataSetDescription description;
  std::vector<PlannedImage> images;
  // Images in the folder that the format says not to use.
  int64_t left_out = 0;
  // Files and folders that systems leave behind, as List passes over.
  int64_t passed_over = 0;
  // Sentences for people, without a period: how the folder was understood.
  std::vector<std::string> remarks;
  // Likewise, about what is probably wrong.
  std::vector<std::string> warnings;
  // How identities were found, with examples. Only the format "folder" says it.
  std::vector<std::string> identities_from;
  // Why identities are in the splits that they are in, without a period.
  std::string split_reason;
  // Further files to write next to dataset.json: name and content.
  std::vector<std::pair<std::string, std::string>> notes;
};

// InvalidArgument "FILE: what", the file as Printable.
absl::Status Offending(const std::filesystem::path& file, absl::string_view what);

bool IsFolder(const std::filesystem::path& path);

// The last part of a folder's path, as Printable; "folder" if it has no name.
std::string NameOfFolder(const std::filesystem::path& folder);

// The content of a folder, sorted by name so that "the first" means something, without what
// IsLeftBehind; adds the number of those to `passed_over` if it is not null. NotFound if there is
// no such folder; the system's error, naming it, if it cannot be listed.
absl::StatusOr<std::vector<std::filesystem::path>> List(const std::filesystem::path& folder,
                                                        int64_t* passed_over = nullptr);

// Gathers what is wrong with files, so that one run names all of them. Thread-compatible.
class Problems {
 public:
  // Passes over ok.
  void Add(const absl::Status& status);
  // ok without problems; the problem if there is one; else InvalidArgument with the first ten, a
  // line each, and how many more there are.
  absl::Status status() const;

 private:
  std::vector<absl::Status> all_;
};

// .jpg, .jpeg, .png and .webp.
const std::vector<std::string>& ImageEndings();

// InvalidArgument unless the file is a whole image within ImageLimits, as ReadImageHeader says, and
// has one of the endings (lower case; the file's may be upper case).
absl::Status CheckImage(const std::filesystem::path& file, const std::vector<std::string>& endings);

// `path_inside` is below OUT/photo or OUT/sketch.
PlannedImage Planned(const std::filesystem::path& file, const std::filesystem::path& path_inside,
                     std::string identity, v1::Modality modality, std::string split);

// InvalidArgument, naming files, for an identity in two splits or, unless its sketch is unpaired,
// without a photo, counting also the images of a set that is added to. The message mentions a photo
// whose name looks the same.
absl::Status CheckIdentities(const std::vector<PlannedImage>& images,
                             const std::vector<DataSetImage>& set = {});

// InvalidArgument if `out` is `folder` or lies in it: the copies would be imported the next time.
// Neither need exist.
absl::Status CheckOutside(const std::string& out, const std::filesystem::path& folder);

// Cancelled, "stopped while " and what was done, once `stop`, which may be empty, is true.
absl::Status CheckStop(const std::function<bool()>& stop, absl::string_view done);

// InvalidArgument if `out` lies in a folder of images to import; ResourceExhausted if the images do
// not fit on its disk.
absl::Status CheckPlace(const std::vector<PlannedImage>& images, const std::string& out);

// InvalidArgument naming the file if a description or a copy cannot have its name: not UTF-8, with
// control characters, or too long.
absl::Status CheckName(const PlannedImage& image);
// The same for all of a plan.
absl::Status CheckNames(const Plan& plan);

// Whether CarryOut can begin in the folder: it is not there, is empty but for a lock, or is
// unfinished. A hidden file that is there as long as an import lasts says that it was killed.
bool CanBegin(const std::string& out);
// Removes that file, where the data set is whole all the same.
void MarkFinished(const std::string& out);

// Copies the images to OUT/photo and OUT/sketch (no hard links: editing the copy must not change
// the original), writes the notes and, last, the description. On failure nothing is left in `out`
// but what was in it before; after a kill the folder is unfinished, and the next call removes what
// was copied and starts over.
// FailedPrecondition if `out` has content, with a word on --add if it is a data set, or if another
// process imports into it; InvalidArgument if it lies in a folder of images to import;
// ResourceExhausted, before anything is copied, if the images do not fit on its disk; Cancelled
// once `stop` is true; the system's error if it cannot be written.
absl::Status CarryOut(const Plan& plan, const std::string& out,
                      const std::function<void(int64_t, int64_t)>& progress,
                      const std::function<bool()>& stop);

}  // namespace s2p

#endif  // S2P_TRAINER_IMPORT_IMPORT_PLAN_H_

// What an import will copy. Each format makes a plan from a folder that it only reads; carrying it
// out is the same for all of them.
#ifndef S2P_TRAINER_IMPORT_PLAN_H_
#define S2P_TRAINER_IMPORT_PLAN_H_

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
#include "trainer/data_set.h"

namespace s2p {

// An image to copy, and its line.
struct PlannedImage {
  std::filesystem::path from;
  DataSetImage line;
};

struct Plan {
  DataSetDescription description;
  std::vector<PlannedImage> images;
  // Images in the folder that the format says not to use.
  int64_t left_out = 0;
  // Further files to write beside dataset.json: name and content.
  std::vector<std::pair<std::string, std::string>> notes;
};

// InvalidArgument "FILE: what".
absl::Status Offending(const std::filesystem::path& file, absl::string_view what);

bool IsFolder(const std::filesystem::path& path);

// What is in a folder, sorted by name so that "the first" means something. Passed over: hidden
// files and Thumbs.db, which file managers leave behind. NotFound if there is no such folder.
absl::StatusOr<std::vector<std::filesystem::path>> List(const std::filesystem::path& folder);

// .jpg, .jpeg, .png and .webp.
const std::vector<std::string>& ImageEndings();

// InvalidArgument unless the file is a whole image within ImageLimits, as ReadImageHeader says, and
// has one of the endings (lower case; the file's may be upper case).
absl::Status CheckImage(const std::filesystem::path& file, const std::vector<std::string>& endings);

// `path_inside` is below OUT/photo or OUT/sketch.
PlannedImage Planned(const std::filesystem::path& file, const std::filesystem::path& path_inside,
                     std::string identity, v1::Modality modality, std::string split);

// InvalidArgument, naming a file, for an identity in two splits or without a photo.
absl::Status CheckIdentities(const Plan& plan);

// Copies the images to OUT/photo and OUT/sketch (no hard links: editing the copy must not change
// the original), writes the notes and, last, the description. On failure nothing is left in `out`
// but what was in it before.
// FailedPrecondition if `out` has content; the system's error if it cannot be written.
absl::Status CarryOut(const Plan& plan, const std::string& out,
                      const std::function<void(int64_t, int64_t)>& progress);

}  // namespace s2p

#endif  // S2P_TRAINER_IMPORT_PLAN_H_

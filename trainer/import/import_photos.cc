// Photos as people keep them: in folders of any depth, among files of other kinds.
#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "trainer/import/import_formats.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;

// Sketches of none of the photos in particular must not share an identity with one.
constexpr char kUnpaired[] = "unpaired sketch/";
constexpr size_t kNamed = 3;

// Gathers the images below a folder.
class TreeReader {
 public:
  // A folder in it that is `other`, if that is not empty, is passed over.
  TreeReader(v1::Modality modality, fs::path other, const std::function<bool()>& stop, Plan* plan)
      : modality_(modality), other_(std::move(other)), stop_(stop), plan_(*plan) {}

  // NotFound if there is no such folder; InvalidArgument if no image below it can be read.
  absl::Status Read(const fs::path& root) {
    S2P_RETURN_IF_ERROR(ReadFolder(root, ""));
    if (images_ == 0) {
      return Offending(root, absl::StrCat("has no JPEG, PNG or WebP image that can be read",
                                          unreadable_.empty() ? "" : "; the first that cannot: ",
                                          unreadable_.empty() ? "" : unreadable_[0]));
    }
    Report(root);
    return absl::OkStatus();
  }

 private:
  absl::Status ReadFolder(const fs::path& folder, const fs::path& inside) {
    S2P_ASSIGN_OR_RETURN(const auto entries, List(folder, &plan_.passed_over));
    for (const fs::path& entry : entries) {
      const fs::path path = inside / entry.filename();
      S2P_RETURN_IF_ERROR(CheckStop(stop_, "images were read"));
      if (!IsFolder(entry)) {
        AddFile(entry, path);
        continue;
      }
      std::error_code error;
      if (!other_.empty() && fs::equivalent(entry, other_, error)) continue;
      // A link may lead back to a folder that it lies in.
      if (fs::is_symlink(entry, error)) {
        links_.push_back(Printable(path.generic_string()));
        continue;
      }
      S2P_RETURN_IF_ERROR(ReadFolder(entry, path));
    }
    return absl::OkStatus();
  }

  void AddFile(const fs::path& file, const fs::path& path) {
    const std::vector<std::string>& endings = ImageEndings();
    const std::string ending = absl::AsciiStrToLower(file.extension().string());
    if (std::find(endings.begin(), endings.end(), ending) == endings.end()) {
      ++other_kinds_[ending.empty() ? "no ending" : Printable(ending)];
      return;
    }
    const bool is_photo = modality_ == v1::MODALITY_PHOTO;
    const std::string identity = absl::StrCat(is_photo ? "" : kUnpaired, path.generic_string());
    PlannedImage image = Planned(file, path, identity, modality_, "train");
    image.unpaired = !is_photo;
    absl::Status status = CheckImage(file, endings);
    if (status.ok()) status = CheckName(image);
    if (!status.ok()) {
      unreadable_.emplace_back(status.message());
      return;
    }
    plan_.images.push_back(std::move(image));
    ++images_;
  }

  void Report(const fs::path& root) {
    const std::string folder = Printable(root.string());
    if (!unreadable_.empty()) {
      plan_.left_out += static_cast<int64_t>(unreadable_.size());
      plan_.warnings.push_back(absl::StrCat(folder, ": ", unreadable_.size(),
                                            " images are left out; the first: ", unreadable_[0]));
    }
    if (!other_kinds_.empty()) {
      std::vector<std::string> kinds;
      for (const auto& [ending, count] : other_kinds_) {
        kinds.push_back(absl::StrCat(ending, " (", count, ")"));
      }
      plan_.remarks.push_back(absl::StrCat(folder,
                                           ": files that are no JPEG, PNG or WebP are left "
                                           "out: ",
                                           absl::StrJoin(kinds, ", ")));
    }
    if (links_.empty()) return;
    const size_t count = links_.size();
    links_.resize(std::min(count, kNamed));
    plan_.remarks.push_back(
        absl::StrCat(folder, ": links to folders are not followed: ", absl::StrJoin(links_, ", "),
                     count > kNamed ? " and more" : ""));
  }

  const v1::Modality modality_;
  const fs::path other_;
  const std::function<bool()>& stop_;
  Plan& plan_;
  int64_t images_ = 0;
  std::vector<std::string> unreadable_;
  std::vector<std::string> links_;
  // Number of files by ending.
  std::map<std::string, int64_t> other_kinds_;
};

}  // namespace

absl::StatusOr<Plan> PlanPhotos(const fs::path& root, const PhotosOptions& options) {
  Plan plan;
  plan.description.name = NameOfFolder(root);
  plan.description.source = "imported from a folder of photos";
  plan.split_reason = "all are for training";
  TreeReader photos(v1::MODALITY_PHOTO, options.sketches, options.stop, &plan);
  S2P_RETURN_IF_ERROR(photos.Read(root));
  if (options.sketches.empty()) return plan;
  TreeReader sketches(v1::MODALITY_SKETCH, root, options.stop, &plan);
  S2P_RETURN_IF_ERROR(sketches.Read(options.sketches));
  return plan;
}

// A second import would take copies in one of the folders for further images.
absl::Status CheckPhotoFolders(const fs::path& root, const fs::path& sketches,
                               const std::string& out) {
  S2P_RETURN_IF_ERROR(CheckOutside(out, root));
  if (sketches.empty()) return absl::OkStatus();
  S2P_RETURN_IF_ERROR(CheckOutside(out, sketches));
  std::error_code error;
  if (!fs::equivalent(root, sketches, error)) return absl::OkStatus();
  return Offending(sketches,
                   "is the folder of photos; sketches that belong to none of them need a folder of "
                   "their own");
}

}  // namespace s2p

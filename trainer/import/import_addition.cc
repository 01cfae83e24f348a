#include "trainer/import/import_addition.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "image/image.h"
#include "model/file.h"
#include "trainer/data/data_set_addition.h"
#include "trainer/import/canonical_name.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;

// Hidden, so that a leftover of a killed run is skipped.
constexpr char kTemporaryName[] = ".adding.tmp";

absl::StatusOr<bool> HaveSameBytes(const fs::path& a, const fs::path& b) {
  // CheckImage has looked at the size of one of them.
  const uint64_t limit = ImageLimits().max_bytes;
  std::error_code error_of_a, error_of_b;
  const bool same_size = fs::file_size(a, error_of_a) == fs::file_size(b, error_of_b);
  if (!error_of_a && !error_of_b && !same_size) return false;
  S2P_ASSIGN_OR_RETURN(const auto bytes_of_a, ReadWholeFile(a.string(), limit));
  S2P_ASSIGN_OR_RETURN(const auto bytes_of_b, ReadWholeFile(b.string(), limit));
  return bytes_of_a == bytes_of_b;
}

// Whether the copy has to be made; not if a file with the same bytes has its name. InvalidArgument
// if one with other bytes has.
absl::StatusOr<bool> IsMissing(const fs::path& from, const fs::path& to) {
  std::error_code error;
  if (!fs::exists(to, error)) return true;
  S2P_ASSIGN_OR_RETURN(const bool same, HaveSameBytes(from, to));
  if (same) return false;
  return Offending(
      from, absl::StrCat("the data set has another image of this name, ", Printable(to.string()),
                         ": rename this one, or remove it if it is not new"));
}

absl::Status CheckAttributes(const DataSet& set, const Plan& plan) {
  const std::vector<std::string>& attributes = plan.description.attributes;
  if (attributes.empty() || attributes == set.attributes()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      Printable(set.folder()), ": has ", set.attributes().size(),
      " attributes, and what is to be added has ", attributes.size(), ", of which the first is ",
      Printable(attributes.front()), "; only images with the same attributes can be added"));
}

// The images of the plan that the set does not have.
absl::StatusOr<std::vector<PlannedImage>> NewImages(const DataSet& set, const Plan& plan,
                                                    const std::function<bool()>& stop) {
  std::map<std::string, std::string> listed;
  for (const DataSetImage& image : set.images()) {
    listed.emplace(CanonicalName(image.path), image.path);
  }
  std::vector<PlannedImage> missing;
  Problems problems;
  for (const PlannedImage& image : plan.images) {
    S2P_RETURN_IF_ERROR(CheckStop(stop, "images were compared"));
    const auto found = listed.find(CanonicalName(image.line.path));
    const bool is_listed = found != listed.end();
    const fs::path to = fs::path(set.folder()) / (is_listed ? found->second : image.line.path);
    std::error_code error;
    if (is_listed && !fs::exists(to, error)) {
      problems.Add(Offending(image.from, absl::StrCat("the data set lists ", Printable(to.string()),
                                                      ", which is not there: put it back")));
      continue;
    }
    const auto must_be_copied = IsMissing(image.from, to);
    problems.Add(must_be_copied.status());
    if (!is_listed) missing.push_back(image);
  }
  S2P_RETURN_IF_ERROR(problems.status());
  return missing;
}

// Copies an image so that it has its name only once it is whole and on disk.
absl::Status CopyWhole(const fs::path& from, const fs::path& to) {
  const fs::path temporary = to.parent_path() / kTemporaryName;
  std::error_code error;
  fs::create_directories(to.parent_path(), error);
  if (!error) fs::copy_file(from, temporary, fs::copy_options::overwrite_existing, error);
  if (error) return FileError(error.value(), Printable(to.string()), "copy");
  S2P_RETURN_IF_ERROR(SyncFile(temporary.string()));
  fs::rename(temporary, to, error);
  if (error) return FileError(error.value(), Printable(to.string()), "rename");
  return absl::OkStatus();
}

// Copies images into the folder of a set, and can take the copies back.
class Copies {
 public:
  explicit Copies(fs::path folder) : folder_(std::move(folder)) {}

  absl::Status Make(const std::vector<PlannedImage>& images,
                    const std::function<void(int64_t, int64_t)>& progress,
                    const std::function<bool()>& stop) {
    int64_t done = 0;
    for (const PlannedImage& image : images) {
      S2P_RETURN_IF_ERROR(CheckStop(stop, "images were copied"));
      const fs::path to = folder_ / image.line.path;
      folders_.insert(to.parent_path());
      S2P_ASSIGN_OR_RETURN(const bool is_missing, IsMissing(image.from, to));
      if (is_missing) {
        S2P_RETURN_IF_ERROR(CopyWhole(image.from, to));
        made_.push_back(to);
      }
      if (progress) progress(++done, static_cast<int64_t>(images.size()));
    }
    for (const fs::path& folder : folders_) {
      S2P_RETURN_IF_ERROR(SyncDirectory(folder.string()));
    }
    return absl::OkStatus();
  }

  void Remove() {
    std::error_code ignored;
    for (const fs::path& copy : made_) fs::remove(copy, ignored);
    for (const fs::path& folder : folders_) fs::remove(folder / kTemporaryName, ignored);
  }

 private:
  const fs::path folder_;
  std::vector<fs::path> made_;
  std::set<fs::path> folders_;
};

absl::Status WriteNotes(const std::string& folder, const Plan& plan) {
  for (const auto& [name, content] : plan.notes) {
    const std::string path = (fs::path(folder) / name).string();
    std::error_code error;
    if (!fs::exists(path, error)) {
      S2P_RETURN_IF_ERROR(WriteFileSynced(path, {absl::string_view(content)}));
      continue;
    }
    S2P_ASSIGN_OR_RETURN(const auto there, ReadWholeFile(path, ImageLimits().max_bytes));
    if (there != content) {
      return Offending(path, "is there already with another content, so this is another data set");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Addition> AddTo(const DataSet& set, const Plan& plan,
                               const std::function<void(int64_t, int64_t)>& progress,
                               const std::function<bool()>& stop) {
  S2P_RETURN_IF_ERROR(CheckAttributes(set, plan));
  S2P_ASSIGN_OR_RETURN(const auto missing, NewImages(set, plan, stop));
  Addition addition;
  addition.added = static_cast<int64_t>(missing.size());
  addition.already_there = static_cast<int64_t>(plan.images.size()) - addition.added;
  addition.images = set.images();
  std::vector<DataSetImage> lines;
  for (const PlannedImage& image : missing) {
    lines.push_back(image.line);
    addition.images.push_back(image.line);
  }
  S2P_RETURN_IF_ERROR(CheckIdentities(missing, set.images()));
  S2P_RETURN_IF_ERROR(WriteNotes(set.folder(), plan));
  if (missing.empty()) return addition;
  S2P_RETURN_IF_ERROR(CheckPlace(missing, set.folder()));
  Copies copies(set.folder());
  if (absl::Status status = copies.Make(missing, progress, stop); !status.ok()) {
    copies.Remove();
    return status;
  }
  // From here on the copies stay: the new lines may be in place although an error is reported.
  S2P_RETURN_IF_ERROR(AddToDataSet(set, lines));
  return addition;
}

}  // namespace s2p

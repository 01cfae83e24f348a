#include "trainer/import/import_plan.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/left_behind.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "daemon/folder_lock.h"
#include "image/image.h"
#include "model/file.h"
#include "trainer/import/canonical_name.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;

constexpr size_t kNamedProblems = 10;
constexpr uint64_t kMegabyte = 1000 * 1000;
// NAME_MAX of the usual file systems.
constexpr size_t kMostOfName = 255;
// Hidden, so that nobody takes it for an image.
constexpr char kUnfinishedName[] = ".unfinished-import";
constexpr char kUnfinishedText[] =
    "An import into this folder has not finished. The same command starts it over.\n";
// The file of FolderLock.
constexpr char kLockName[] = "lock";

// The words of a status without the path that Offending puts before them.
absl::string_view Reason(const absl::Status& status, const fs::path& file) {
  return absl::StripPrefix(status.message(), absl::StrCat(file.string(), ": "));
}

const char* FolderOf(v1::Modality modality) {
  return modality == v1::MODALITY_PHOTO ? "photo" : "sketch";
}

absl::Status CopyImages(const Plan& plan, const fs::path& out,
                        const std::function<void(int64_t, int64_t)>& progress,
                        const std::function<bool()>& stop) {
  const auto total = static_cast<int64_t>(plan.images.size());
  int64_t done = 0;
  for (const PlannedImage& image : plan.images) {
    S2P_RETURN_IF_ERROR(CheckStop(stop, "images were copied"));
    const fs::path to = out / image.line.path;
    std::error_code error;
    fs::create_directories(to.parent_path(), error);
    if (!error) fs::copy_file(image.from, to, error);
    if (error == std::errc::file_exists) {
      return absl::FailedPreconditionError(absl::StrCat(
          Printable(to.string()),
          ": is there already, as if the disk did not distinguish upper and lower case; "
          "rename the image, or import to another disk"));
    }
    if (error) return FileError(error.value(), Printable(to.string()), "copy");
    if (progress) progress(++done, total);
  }
  return absl::OkStatus();
}

// Whether `path` is `folder` or below it; both canonical.
bool IsInside(const fs::path& path, const fs::path& folder) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first ==
         folder.end();
}

absl::Status CheckApart(const std::vector<PlannedImage>& images, const std::string& out) {
  std::set<fs::path> folders;
  for (const PlannedImage& image : images) folders.insert(image.from.parent_path());
  for (const fs::path& folder : folders) {
    S2P_RETURN_IF_ERROR(CheckOutside(out, folder));
  }
  return absl::OkStatus();
}

// OK if the free space is unknown.
absl::Status CheckRoom(const std::vector<PlannedImage>& images, const std::string& out) {
  std::error_code error;
  const fs::space_info space = fs::space(out, error);
  if (error) return absl::OkStatus();
  uint64_t needed = 0;
  for (const PlannedImage& image : images) {
    const uint64_t size = fs::file_size(image.from, error);
    if (!error) needed += size;
  }
  if (needed <= space.available) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      Printable(out), ": the images take ", needed / kMegabyte + 1, " MB, and the disk has ",
      space.available / kMegabyte, " MB left; free some, or name a folder on another disk"));
}

absl::Status CheckIsNoDataSet(const std::string& out) {
  std::error_code error;
  if (!fs::exists(fs::path(out) / "dataset.jsonl", error)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(Printable(out),
                   ": is a data set already; --add adds the images to it, or name another folder"));
}

bool IsUnfinished(const std::string& out) {
  std::error_code error;
  return fs::exists(fs::path(out) / kUnfinishedName, error) &&
         !fs::exists(fs::path(out) / "dataset.jsonl", error);
}

// Whether a folder has nothing in it but perhaps the lock.
bool IsFree(const std::string& folder) {
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    if (entry->path().filename() != kLockName) return false;
  }
  return !error;
}

// Removes what an import of this plan leaves in the folder, but no other file.
void RemoveCopies(const Plan& plan, const std::string& out) {
  std::set<fs::path> ours = {
      "photo", "sketch", "dataset.json", "dataset.json.tmp", "dataset.jsonl", "dataset.jsonl.tmp"};
  for (const PlannedImage& image : plan.images) ours.insert(*fs::path(image.line.path).begin());
  for (const auto& note : plan.notes) ours.insert(note.first);
  std::error_code ignored;
  for (const fs::path& name : ours) fs::remove_all(out / name, ignored);
  MarkFinished(out);
}

// Makes a folder that a killed import has left empty again. FailedPrecondition if it has content
// besides.
absl::Status ClearUnfinished(const Plan& plan, const std::string& out) {
  if (IsUnfinished(out)) RemoveCopies(plan, out);
  return IsFree(out) ? absl::OkStatus() : CreateDataSetFolder(out);
}

absl::Status MarkUnfinished(const std::string& out) {
  return WriteFileSynced((fs::path(out) / kUnfinishedName).string(),
                         {absl::string_view(kUnfinishedText)});
}

absl::Status Write(const Plan& plan, const std::string& out,
                   const std::function<void(int64_t, int64_t)>& progress,
                   const std::function<bool()>& stop) {
  S2P_RETURN_IF_ERROR(CheckRoom(plan.images, out));
  S2P_RETURN_IF_ERROR(MarkUnfinished(out));
  S2P_RETURN_IF_ERROR(CopyImages(plan, out, progress, stop));
  for (const auto& [name, content] : plan.notes) {
    const std::string path = (fs::path(out) / name).string();
    S2P_RETURN_IF_ERROR(WriteFileSynced(path, {absl::string_view(content)}));
  }
  std::vector<DataSetImage> lines;
  lines.reserve(plan.images.size());
  for (const PlannedImage& image : plan.images) lines.push_back(image.line);
  return WriteDataSet(out, plan.description, lines);
}

}  // namespace

absl::Status Offending(const fs::path& file, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(Printable(file.string()), ": ", what));
}

bool IsFolder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

std::string NameOfFolder(const fs::path& folder) {
  const fs::path name =
      folder.filename().empty() ? folder.parent_path().filename() : folder.filename();
  return name.empty() || name == "." ? "folder" : Printable(name.string());
}

absl::StatusOr<std::vector<fs::path>> List(const fs::path& folder, int64_t* passed_over) {
  std::error_code error;
  const fs::file_type type = fs::status(folder, error).type();
  if (type == fs::file_type::not_found) {
    return absl::NotFoundError(
        absl::StrCat(Printable(folder.string()), ": there is no such folder"));
  }
  if (error) return FileError(error.value(), Printable(folder.string()), "look into");
  if (type != fs::file_type::directory) return Offending(folder, "is not a folder");
  std::vector<fs::path> entries;
  fs::directory_iterator iterator(folder, error);
  for (; !error && iterator != fs::directory_iterator(); iterator.increment(error)) {
    if (!IsLeftBehind(iterator->path().filename().string())) {
      entries.push_back(iterator->path());
    } else if (passed_over != nullptr) {
      ++*passed_over;
    }
  }
  if (error) return FileError(error.value(), Printable(folder.string()), "list");
  std::sort(entries.begin(), entries.end());
  return entries;
}

void Problems::Add(const absl::Status& status) {
  if (!status.ok()) all_.push_back(status);
}

absl::Status Problems::status() const {
  if (all_.size() <= 1) return all_.empty() ? absl::OkStatus() : all_.front();
  std::string text = absl::StrCat(all_.size(), " files cannot be imported:");
  for (size_t i = 0; i < std::min(all_.size(), kNamedProblems); ++i) {
    absl::StrAppend(&text, "\n  ", all_[i].message());
  }
  if (all_.size() > kNamedProblems) {
    absl::StrAppend(&text, "\n  and ", all_.size() - kNamedProblems, " more");
  }
  return absl::InvalidArgumentError(text);
}

const std::vector<std::string>& ImageEndings() {
  static const auto* const endings = new std::vector<std::string>{".jpg", ".jpeg", ".png", ".webp"};
  return *endings;
}

absl::Status CheckImage(const fs::path& file, const std::vector<std::string>& endings) {
  if (IsFolder(file)) return Offending(file, "is a folder where an image is expected");
  const std::string ending = absl::AsciiStrToLower(file.extension().string());
  if (std::find(endings.begin(), endings.end(), ending) == endings.end()) {
    return Offending(file,
                     absl::StrCat("expected a file ending in ", absl::StrJoin(endings, " or ")));
  }
  auto opened = InputFile::Open(file.string());
  if (!opened.ok()) return Offending(file, Reason(opened.status(), file));
  const ImageLimits limits;
  if (opened->size_bytes() > limits.max_bytes) {
    return Offending(file, absl::StrCat("has ", opened->size_bytes(), " bytes; an image may have ",
                                        limits.max_bytes, " (", limits.max_bytes >> 20,
                                        " MiB): save it smaller"));
  }
  // The whole of it: metadata may fill megabytes, and only its end says that it was copied whole.
  std::string bytes(opened->size_bytes(), '\0');
  if (absl::Status status = opened->Read(bytes.data(), bytes.size()); !status.ok()) {
    return Offending(file, Reason(status, file));
  }
  if (const auto header = ReadImageHeader(bytes, limits); !header.ok()) {
    return Offending(file, header.status().message());
  }
  return absl::OkStatus();
}

PlannedImage Planned(const fs::path& file, const fs::path& path_inside, std::string identity,
                     v1::Modality modality, std::string split) {
  PlannedImage planned;
  planned.from = file;
  planned.line.path = (fs::path(FolderOf(modality)) / path_inside).generic_string();
  planned.line.identity = std::move(identity);
  planned.line.modality = modality;
  planned.line.split = std::move(split);
  return planned;
}

absl::Status CheckIdentities(const std::vector<PlannedImage>& images,
                             const std::vector<DataSetImage>& set) {
  std::map<std::string, std::string> split_of;
  std::set<std::string> with_photo;
  std::map<std::string, std::string> photo_of_look;
  const auto add_photo = [&](const std::string& identity, const fs::path& file) {
    with_photo.insert(identity);
    photo_of_look.emplace(LookOf(identity), file.filename().string());
  };
  for (const DataSetImage& line : set) {
    split_of.emplace(line.identity, line.split);
    if (line.modality == v1::MODALITY_PHOTO) add_photo(line.identity, line.path);
  }
  for (const PlannedImage& image : images) {
    const auto [found, is_new] = split_of.emplace(image.line.identity, image.line.split);
    if (!is_new && found->second != image.line.split) {
      return Offending(image.from,
                       absl::StrCat("identity ", Printable(image.line.identity), " is in ",
                                    found->second, " and in ", image.line.split));
    }
    if (image.line.modality == v1::MODALITY_PHOTO) add_photo(image.line.identity, image.from);
  }
  Problems problems;
  for (const PlannedImage& image : images) {
    if (image.unpaired || with_photo.count(image.line.identity) > 0) continue;
    const auto alike = photo_of_look.find(LookOf(image.line.identity));
    problems.Add(Offending(
        image.from,
        absl::StrCat("identity ", Printable(image.line.identity), " has no photo",
                     alike == photo_of_look.end()
                         ? ""
                         : absl::StrCat("; photo ", Printable(alike->second),
                                        " looks the same but is spelt with other characters"))));
  }
  return problems.status();
}

absl::Status CheckOutside(const std::string& out, const fs::path& folder) {
  std::error_code error;
  const fs::path target = fs::weakly_canonical(out, error);
  if (error) return FileError(error.value(), Printable(out), "resolve");
  const fs::path source = fs::weakly_canonical(folder, error);
  if (error || !IsInside(target, source)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(Printable(out), ": lies in ", Printable(folder.string()),
                   ", whose images are imported; name a folder elsewhere"));
}

absl::Status CheckStop(const std::function<bool()>& stop, absl::string_view done) {
  if (!stop || !stop()) return absl::OkStatus();
  return absl::CancelledError(absl::StrCat("stopped while ", done));
}

bool CanBegin(const std::string& out) {
  std::error_code error;
  return !fs::exists(out, error) || IsUnfinished(out) || IsFree(out);
}

void MarkFinished(const std::string& out) {
  std::error_code ignored;
  fs::remove(fs::path(out) / kUnfinishedName, ignored);
}

absl::Status CheckPlace(const std::vector<PlannedImage>& images, const std::string& out) {
  S2P_RETURN_IF_ERROR(CheckApart(images, out));
  return CheckRoom(images, out);
}

absl::Status CheckName(const PlannedImage& image) {
  const std::string& path = image.line.path;
  const std::string& identity = image.line.identity;
  if (!IsUtf8(path) || !IsUtf8(identity)) {
    return Offending(image.from, "the name is not UTF-8: rename the file");
  }
  if (std::any_of(path.begin(), path.end(), absl::ascii_iscntrl)) {
    return Offending(image.from, "the name has a control character: rename the file");
  }
  if (const size_t size = fs::path(path).filename().string().size(); size > kMostOfName) {
    return Offending(image.from,
                     absl::StrCat("the copy's name would have ", size, " bytes; at most ",
                                  kMostOfName, " are possible: rename the file"));
  }
  return absl::OkStatus();
}

absl::Status CheckNames(const Plan& plan) {
  Problems problems;
  for (const PlannedImage& image : plan.images) problems.Add(CheckName(image));
  return problems.status();
}

absl::Status CarryOut(const Plan& plan, const std::string& out,
                      const std::function<void(int64_t, int64_t)>& progress,
                      const std::function<bool()>& stop) {
  const bool was_there = IsFolder(out);
  S2P_RETURN_IF_ERROR(CheckApart(plan.images, out));
  S2P_RETURN_IF_ERROR(CheckIsNoDataSet(out));
  if (!IsUnfinished(out) && !IsFree(out)) {
    S2P_RETURN_IF_ERROR(CreateDataSetFolder(out));
  }
  std::error_code ignored;
  const auto lock = FolderLock::Acquire(out);
  if (!lock.ok()) {
    // Another process may fill it, and then it stays.
    if (!was_there) fs::remove(out, ignored);
    return lock.status();
  }
  S2P_RETURN_IF_ERROR(ClearUnfinished(plan, out));
  const absl::Status status = Write(plan, out, progress, stop);
  if (status.ok()) {
    MarkFinished(out);
    return status;
  }
  RemoveCopies(plan, out);
  if (!IsFree(out)) return status;
  fs::remove(fs::path(out) / kLockName, ignored);
  if (!was_there) fs::remove(out, ignored);
  return status;
}

}  // namespace s2p

#include "trainer/import_plan.h"

#include <algorithm>
#include <map>
#include <set>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/file.h"
#include "model/image.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;

const char* FolderOf(v1::Modality modality) {
  return modality == v1::MODALITY_PHOTO ? "photo" : "sketch";
}

absl::Status CopyImages(const Plan& plan, const fs::path& out,
                        const std::function<void(int64_t, int64_t)>& progress) {
  const auto total = static_cast<int64_t>(plan.images.size());
  int64_t done = 0;
  for (const PlannedImage& image : plan.images) {
    const fs::path to = out / image.line.path;
    std::error_code error;
    fs::create_directories(to.parent_path(), error);
    if (!error) fs::copy_file(image.from, to, error);
    if (error) return FileError(error.value(), to.string(), "copy");
    if (progress) progress(++done, total);
  }
  return absl::OkStatus();
}

absl::Status Write(const Plan& plan, const std::string& out,
                   const std::function<void(int64_t, int64_t)>& progress) {
  if (absl::Status status = CopyImages(plan, out, progress); !status.ok()) return status;
  for (const auto& [name, content] : plan.notes) {
    const std::string path = (fs::path(out) / name).string();
    absl::Status status = WriteFileSynced(path, {absl::string_view(content)});
    if (!status.ok()) return status;
  }
  std::vector<DataSetImage> lines;
  lines.reserve(plan.images.size());
  for (const PlannedImage& image : plan.images) lines.push_back(image.line);
  return WriteDataSet(out, plan.description, lines);
}

}  // namespace

absl::Status Offending(const fs::path& file, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(file.string(), ": ", what));
}

bool IsFolder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

absl::StatusOr<std::vector<fs::path>> List(const fs::path& folder) {
  if (!IsFolder(folder)) {
    return absl::NotFoundError(absl::StrCat(folder.string(), ": there is no such folder"));
  }
  std::error_code error;
  std::vector<fs::path> entries;
  fs::directory_iterator iterator(folder, error);
  for (; !error && iterator != fs::directory_iterator(); iterator.increment(error)) {
    const std::string name = iterator->path().filename().string();
    if (!absl::StartsWith(name, ".") && name != "Thumbs.db") entries.push_back(iterator->path());
  }
  if (error) return FileError(error.value(), folder.string(), "list");
  std::sort(entries.begin(), entries.end());
  return entries;
}

const std::vector<std::string>& ImageEndings() {
  static const auto* const endings = new std::vector<std::string>{".jpg", ".jpeg", ".png", ".webp"};
  return *endings;
}

absl::Status CheckImage(const fs::path& file, const std::vector<std::string>& endings) {
  const std::string ending = absl::AsciiStrToLower(file.extension().string());
  if (std::find(endings.begin(), endings.end(), ending) == endings.end()) {
    return Offending(file,
                     absl::StrCat("expected a file ending in ", absl::StrJoin(endings, " or ")));
  }
  auto opened = InputFile::Open(file.string());
  if (!opened.ok()) return Offending(file, opened.status().message());
  const ImageLimits limits;
  if (opened->size_bytes() > limits.max_bytes) {
    return Offending(file, absl::StrCat("has ", opened->size_bytes(), " bytes; an image may have ",
                                        limits.max_bytes, " (", limits.max_bytes >> 20,
                                        " MiB): save it smaller"));
  }
  // The whole of it: metadata may fill megabytes, and only its end says that it was copied whole.
  std::string bytes(opened->size_bytes(), '\0');
  if (absl::Status status = opened->Read(bytes.data(), bytes.size()); !status.ok()) return status;
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

absl::Status CheckIdentities(const Plan& plan) {
  std::map<std::string, std::string> split_of;
  std::set<std::string> with_photo;
  for (const PlannedImage& image : plan.images) {
    const auto [found, is_new] = split_of.emplace(image.line.identity, image.line.split);
    if (!is_new && found->second != image.line.split) {
      return Offending(image.from, absl::StrCat("identity ", image.line.identity, " is in ",
                                                found->second, " and in ", image.line.split));
    }
    if (image.line.modality == v1::MODALITY_PHOTO) with_photo.insert(image.line.identity);
  }
  for (const PlannedImage& image : plan.images) {
    if (with_photo.count(image.line.identity) == 0) {
      return Offending(image.from, absl::StrCat("identity ", image.line.identity, " has no photo"));
    }
  }
  return absl::OkStatus();
}

absl::Status CarryOut(const Plan& plan, const std::string& out,
                      const std::function<void(int64_t, int64_t)>& progress) {
  const bool was_there = IsFolder(out);
  if (absl::Status status = CreateDataSetFolder(out); !status.ok()) return status;
  absl::Status status = Write(plan, out, progress);
  if (status.ok()) return status;
  std::error_code ignored;
  if (!was_there) {
    fs::remove_all(out, ignored);
    return status;
  }
  // It was empty, so all of its content is ours.
  std::vector<fs::path> ours;
  for (fs::directory_iterator entry(out, ignored); !ignored && entry != fs::directory_iterator();
       entry.increment(ignored)) {
    ours.push_back(entry->path());
  }
  for (const fs::path& path : ours) fs::remove_all(path, ignored);
  return status;
}

}  // namespace s2p

#include "server/feedback/pair_folder.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/picture_ending.h"
#include "base/status_macros.h"
#include "daemon/log.h"
#include "model/file.h"
#include "model/sha256.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;

constexpr int kFormat = 1;
constexpr char kDescription[] = "dataset.json";
constexpr char kLines[] = "dataset.jsonl";
constexpr char kPhotos[] = "photo";
constexpr char kSketches[] = "sketch";
constexpr char kTemporarySuffix[] = ".tmp";
constexpr uint64_t kMostDescriptionBytes = uint64_t{1} << 20;
constexpr uint64_t kMostLinesBytes = uint64_t{1} << 32;
constexpr size_t kNameDigits = 32;

std::string Join(const std::string& folder, absl::string_view name) {
  return absl::StrCat(folder, "/", name);
}

// A file size limit (EFBIG, out of range) is reported as a full disk: the remedy is the same.
absl::Status AsDiskFull(const absl::Status& status) {
  if (!absl::IsOutOfRange(status)) return status;
  return absl::ResourceExhaustedError(status.message());
}

// Writes a file that appears whole. Its name is durable after SyncDirectory.
absl::Status WriteWhole(const std::string& path, absl::string_view bytes) {
  const std::string temporary = path + kTemporarySuffix;
  absl::Status status = WriteFileSynced(temporary, {bytes});
  if (status.ok() && rename(temporary.c_str(), path.c_str()) != 0) {
    status = FileError(errno, path, "rename");
  }
  if (!status.ok()) unlink(temporary.c_str());
  return AsDiskFull(status);
}

// OK if it is missing.
absl::Status RemoveFile(const std::string& path) {
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return FileError(errno, path, "remove");
}

absl::Status MakeFolder(const std::string& path) {
  if (mkdir(path.c_str(), 0755) == 0 || errno == EEXIST) return absl::OkStatus();
  return FileError(errno, path, "create folder");
}

std::string DescriptionOf(const std::string& store_id) {
  return absl::StrCat(JsonObject({{"format", kFormat},
                                  {"name", "feedback"},
                                  {"source", "matches confirmed by people, from s2p-server"},
                                  {"store", store_id}}),
                      "\n");
}

std::string PhotoLine(const std::string& path, const std::string& identity) {
  return absl::StrCat(
      JsonObject(
          {{"path", path}, {"identity", identity}, {"modality", "photo"}, {"split", "train"}}),
      "\n");
}

std::string SketchLine(const std::string& path, const std::string& identity,
                       const std::string& photo) {
  return absl::StrCat(JsonObject({{"path", path},
                                  {"identity", identity},
                                  {"modality", "sketch"},
                                  {"split", "train"},
                                  {"photo", photo}}),
                      "\n");
}

// FailedPrecondition unless the description is one that a store `store_id` has written.
absl::Status CheckDescription(const std::string& path, const std::string& store_id) {
  const auto text = ReadWholeFile(path, kMostDescriptionBytes);
  // Ours is never as long as what is too long to be read.
  if (!text.ok() && !absl::IsDataLoss(text.status())) return text.status();
  google::protobuf::Struct description;
  const bool read =
      text.ok() && google::protobuf::util::JsonStringToMessage(*text, &description).ok();
  const auto& fields = description.fields();
  if (!read || fields.count("store") == 0 || fields.count("format") == 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, ": is no data set of feedback; name an empty folder with --feedback-dataset"));
  }
  // 0 for what is no number.
  const double format = fields.at("format").number_value();
  if (format > kFormat) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, ": format ", format, " is newer than this program, which writes ", kFormat));
  }
  if (format < 1 || format != std::floor(format)) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": format: is no number from 1 to ", kFormat));
  }
  if (fields.at("store").string_value() == store_id) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(path, ": holds the pairs of another server's feedback; name an empty folder ",
                   "with --feedback-dataset, or move this one away"));
}

// FailedPrecondition if the folder has anything but what a start leaves that was cut short.
absl::Status CheckEmpty(const std::string& folder) {
  std::error_code error;
  for (fs::directory_iterator entry(folder, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name == "lock" || name == absl::StrCat(kDescription, kTemporarySuffix)) continue;
    return absl::FailedPreconditionError(
        absl::StrCat(folder, ": is not empty and no data set of feedback: it has ", name,
                     "; name an empty folder with --feedback-dataset"));
  }
  return error ? FileError(error.value(), folder, "read folder") : absl::OkStatus();
}

// Below the data set's folder. The names depend on the content, so a file is never written anew
// with other bytes.
std::string PhotoPath(const ConfirmedPair& pair) {
  const std::string name = Sha256(absl::StrCat(pair.photo_id, "\n", pair.photo_sha256));
  return absl::StrCat(kPhotos, "/", name.substr(0, kNameDigits),
                      PictureEnding(pair.photo_content_type));
}

std::string SketchPath(const ConfirmedPair& pair) {
  return absl::StrCat(kSketches, "/", pair.digest.substr(0, kNameDigits), ".png");
}

}  // namespace

// One Write: its steps follow one another.
class PairFolder::Writing {
 public:
  Writing(const std::string& folder, const Sources& sources) : folder_(folder), sources_(sources) {}

  // Writes the files that are missing, and composes the lines.
  absl::Status WriteFiles(absl::Span<const ConfirmedPair> pairs) {
    std::string photo;
    // The reason why the last photo is not there.
    absl::Status lacking;
    for (const ConfirmedPair& pair : pairs) {
      const std::string path = PhotoPath(pair);
      if (path != photo) {
        photo = path;
        S2P_RETURN_IF_ERROR(WriteFile(path, pair.photo_bytes, pair, sources_.photo, lacking));
      }
      absl::Status left_out = lacking;
      if (left_out.ok()) {
        S2P_RETURN_IF_ERROR(
            WriteFile(SketchPath(pair), pair.sketch_bytes, pair, sources_.sketch, left_out));
      }
      if (!left_out.ok()) {
        if (sources_.on_left_out) sources_.on_left_out(pair, left_out);
        continue;
      }
      if (named_.insert(path).second) lines_ += PhotoLine(path, pair.identity);
      named_.insert(SketchPath(pair));
      lines_ += SketchLine(SketchPath(pair), pair.identity, path);
      ++pairs_;
    }
    // Also if nothing was written: a crash may have come before an earlier sync.
    S2P_RETURN_IF_ERROR(SyncDirectory(Join(folder_, kPhotos)));
    return SyncDirectory(Join(folder_, kSketches));
  }

  absl::Status WriteLines() const {
    const std::string path = Join(folder_, kLines);
    if (!lines_.empty() && ReadWholeFile(path, kMostLinesBytes).value_or("") != lines_) {
      S2P_RETURN_IF_ERROR(WriteWhole(path, lines_));
    } else {
      if (lines_.empty()) {
        S2P_RETURN_IF_ERROR(RemoveFile(path));
      }
      // A write that was killed leaves lines under this name, and nothing replaces them now.
      S2P_RETURN_IF_ERROR(RemoveFile(path + kTemporarySuffix));
    }
    return SyncDirectory(folder_);
  }

  // Durably removes the files that no line names. Folders stay.
  absl::Status RemoveOthers() const {
    for (const char* kind : {kPhotos, kSketches}) {
      const std::string folder = Join(folder_, kind);
      std::vector<std::string> unnamed;
      std::error_code error;
      for (fs::directory_iterator entry(folder, error); !error && entry != fs::directory_iterator();
           entry.increment(error)) {
        // Folders are not ours: some file systems and servers put theirs everywhere.
        std::error_code ignored;
        if (entry->symlink_status(ignored).type() == fs::file_type::directory) continue;
        const std::string name = entry->path().filename().string();
        if (named_.count(absl::StrCat(kind, "/", name)) == 0) unnamed.push_back(name);
      }
      if (error) return FileError(error.value(), folder, "read folder");
      for (const std::string& name : unnamed) {
        S2P_RETURN_IF_ERROR(RemoveFile(Join(folder, name)));
      }
      if (!unnamed.empty()) {
        S2P_RETURN_IF_ERROR(SyncDirectory(folder));
      }
    }
    return absl::OkStatus();
  }

  int64_t pairs() const { return pairs_; }

 private:
  // Writes a file unless it is there with this size. `left_out` says why its bytes cannot be read,
  // or that there is no room for them.
  absl::Status WriteFile(const std::string& name, uint64_t size_bytes, const ConfirmedPair& pair,
                         const ReadBytes& read, absl::Status& left_out) const {
    left_out = absl::OkStatus();
    const std::string path = Join(folder_, name);
    std::error_code error;
    if (fs::file_size(path, error) == size_bytes && !error) return absl::OkStatus();
    left_out = sources_.check_room(size_bytes);
    if (!left_out.ok()) return absl::OkStatus();
    const absl::StatusOr<std::string> bytes = read(pair);
    const absl::Status status = bytes.ok() ? WriteWhole(path, *bytes) : bytes.status();
    if (bytes.ok() && !absl::IsResourceExhausted(status)) return status;
    left_out = status;
    return absl::OkStatus();
  }

  const std::string& folder_;
  const Sources& sources_;
  // Files that lines name, below the folder.
  std::set<std::string> named_;
  std::string lines_;
  int64_t pairs_ = 0;
};

absl::StatusOr<std::unique_ptr<PairFolder>> PairFolder::Open(const std::string& folder,
                                                             const std::string& store_id) {
  std::error_code error;
  const std::string description = Join(folder, kDescription);
  const bool has_description = fs::exists(description, error);
  if (error) return FileError(error.value(), description, "look at");
  // Before the lock, which leaves a file in a folder that may be somebody else's.
  if (has_description) {
    S2P_RETURN_IF_ERROR(CheckDescription(description, store_id));
  } else if (fs::exists(folder, error)) {
    S2P_RETURN_IF_ERROR(CheckEmpty(folder));
  }
  if (error) return FileError(error.value(), folder, "look at");
  S2P_ASSIGN_OR_RETURN(auto lock, FolderLock::Acquire(folder));
  if (!has_description) {
    S2P_RETURN_IF_ERROR(WriteWhole(description, DescriptionOf(store_id)));
  }
  S2P_RETURN_IF_ERROR(MakeFolder(Join(folder, kPhotos)));
  S2P_RETURN_IF_ERROR(MakeFolder(Join(folder, kSketches)));
  S2P_RETURN_IF_ERROR(SyncDirectory(folder));
  return absl::WrapUnique(new PairFolder(folder, std::move(lock)));
}

PairFolder::PairFolder(std::string folder, std::unique_ptr<FolderLock> lock)
    : folder_(std::move(folder)), lock_(std::move(lock)) {}

absl::Status PairFolder::Write(absl::Span<const ConfirmedPair> pairs, const Sources& sources) {
  Writing writing(folder_, sources);
  S2P_RETURN_IF_ERROR(writing.WriteFiles(pairs));
  S2P_RETURN_IF_ERROR(writing.WriteLines());
  pairs_ = writing.pairs();
  return writing.RemoveOthers();
}

}  // namespace s2p

#include "trainer/data/data_set_digest.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/file.h"
#include "model/sha256.h"
#include "trainer/data/parallel_for.h"

namespace s2p {
namespace {

using Json = nlohmann::json;

constexpr size_t kHexDigits = 64;
constexpr uint64_t kMostMemoryBytes = uint64_t{4} << 20;

// The file whose bytes stand for a data set.
std::string FileOf(const std::string& folder) {
  std::error_code error;
  if (std::filesystem::is_regular_file(folder, error)) return folder;
  return absl::StrCat(folder, "/dataset.jsonl");
}

// A change within the granularity of a file system's clock leaves the times as they are.
constexpr time_t kSettledSeconds = 2;

// Device, inode, size, and the times of the last change of content and of anything: differs
// whenever a settled file does. Empty if there is none, or if it has just changed.
std::string StateOf(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return "";
  if (status.st_mtim.tv_sec + kSettledSeconds > time(nullptr)) return "";
  return absl::StrCat(status.st_dev, " ", status.st_ino, " ", status.st_size, " ",
                      status.st_mtim.tv_sec, ".", status.st_mtim.tv_nsec, " ",
                      status.st_ctim.tv_sec, ".", status.st_ctim.tv_nsec);
}

// `pairs` is NotFound or empty where there are none.
absl::StatusOr<std::string> Joined(absl::StatusOr<std::string> target,
                                   const absl::StatusOr<std::string>& pairs) {
  if (!target.ok() || absl::IsNotFound(pairs.status())) return target;
  if (!pairs.ok()) return pairs.status();
  return pairs->empty() ? target : JoinedSha256(*target, *pairs);
}

}  // namespace

DataSetDigestCache::DataSetDigestCache(const std::string& memory_file) : memory_file_(memory_file) {
  const auto text = ReadWholeFile(memory_file_, kMostMemoryBytes);
  if (!text.ok()) return;
  const Json json = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return;
  for (const auto& [file, entry] : json.items()) {
    if (!entry.is_object()) continue;
    const auto state = entry.find("state"), sha256 = entry.find("sha256");
    if (state == entry.end() || sha256 == entry.end() || !state->is_string() ||
        !sha256->is_string()) {
      continue;
    }
    by_file_[file] = {state->get<std::string>(), sha256->get<std::string>()};
  }
}

void DataSetDigestCache::Save() const {
  if (memory_file_.empty()) return;
  Json json = Json::object();
  for (const auto& [file, entry] : by_file_) {
    json[file] = {{"state", entry.state}, {"sha256", entry.sha256}};
  }
  const std::string temporary = absl::StrCat(memory_file_, ".", getpid(), ".tmp");
  const absl::Status written = WriteFileSynced(
      temporary, {json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"});
  if (written.ok() && std::rename(temporary.c_str(), memory_file_.c_str()) == 0) return;
  std::remove(temporary.c_str());
}

std::string DataSetDigestCache::Remembered(const std::string& file) const {
  const auto known = by_file_.find(file);
  return known == by_file_.end() ? "" : known->second.sha256;
}

absl::StatusOr<std::string> DataSetDigestCache::Of(const std::string& folder) {
  if (folder.empty()) return std::string();
  return OfFile(FileOf(folder));
}

absl::StatusOr<std::string> DataSetDigestCache::Of(const std::string& target,
                                                   const std::string& pairs) {
  return Joined(Of(target), Of(pairs));
}

absl::StatusOr<std::string> DataSetDigestCache::OfFile(const std::string& file) {
  // Before the file is read: a change in between is seen at the next look.
  std::string state = StateOf(file);
  const auto known = by_file_.find(file);
  if (known != by_file_.end() && !state.empty() && known->second.state == state) {
    return known->second.sha256;
  }
  ++reads_;
  S2P_ASSIGN_OR_RETURN(auto sha256, Sha256OfFile(file));
  by_file_[file] = {std::move(state), sha256};
  Save();
  return sha256;
}

absl::StatusOr<std::string> ImagesDigest(const DataSet& data_set, int threads,
                                         const std::function<bool()>& stop,
                                         DataSetDigestCache* files,
                                         std::vector<std::string>* unreadable) {
  if (data_set.packed() != nullptr) {
    const std::string& known = data_set.packed()->images_sha256();
    if (!known.empty()) return known;
    return files == nullptr ? Sha256OfFile(data_set.folder()) : files->OfFile(data_set.folder());
  }
  const auto count = static_cast<int64_t>(data_set.images().size());
  std::string digests(static_cast<size_t>(count) * (kHexDigits + 1), '\n');
  S2P_RETURN_IF_ERROR(ParallelFor(
      count, threads,
      [&](int64_t i) {
        const auto index = static_cast<size_t>(i);
        const auto sha256 = Sha256OfFile(data_set.PathOf(data_set.images()[index]));
        digests.replace(index * (kHexDigits + 1), kHexDigits,
                        sha256.ok() ? *sha256 : std::string(kHexDigits, '-'));
        return absl::OkStatus();
      },
      /*progress=*/{}, stop));
  for (size_t i = 0; unreadable != nullptr && i < data_set.images().size(); ++i) {
    if (digests[i * (kHexDigits + 1)] != '-') continue;
    unreadable->push_back(data_set.PathOf(data_set.images()[i]));
  }
  return Sha256(digests);
}

}  // namespace s2p

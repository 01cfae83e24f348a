#include "trainer/data/data_set_digest.h"

#include <sys/stat.h>

#include <ctime>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/sha256.h"
#include "trainer/data/parallel_for.h"

namespace s2p {
namespace {

constexpr size_t kHexDigits = 64;

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

absl::StatusOr<std::string> DataSetDigest(const std::string& folder) {
  if (folder.empty()) return std::string();
  return Sha256OfFile(FileOf(folder));
}

absl::StatusOr<std::string> DigestWithPairs(const std::string& target, const std::string& pairs) {
  return Joined(DataSetDigest(target), DataSetDigest(pairs));
}

absl::StatusOr<std::string> DataSetDigestCache::Of(const std::string& target,
                                                   const std::string& pairs) {
  return Joined(Of(target), Of(pairs));
}

absl::StatusOr<std::string> DataSetDigestCache::Of(const std::string& folder) {
  if (folder.empty()) return std::string();
  const std::string file = FileOf(folder);
  // Before the file is read: a change in between is seen at the next look.
  std::string state = StateOf(file);
  const auto known = by_file_.find(file);
  if (known != by_file_.end() && !state.empty() && known->second.state == state) {
    return known->second.sha256;
  }
  ++reads_;
  S2P_ASSIGN_OR_RETURN(auto sha256, Sha256OfFile(file));
  by_file_[file] = {std::move(state), sha256};
  return sha256;
}

absl::StatusOr<std::string> ImagesDigest(const DataSet& data_set, int threads,
                                         const std::function<bool()>& stop) {
  if (data_set.packed() != nullptr) {
    const std::string& known = data_set.packed()->images_sha256();
    return known.empty() ? Sha256OfFile(data_set.folder()) : known;
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
  return Sha256(digests);
}

}  // namespace s2p

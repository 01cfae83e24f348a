#include "server/index/index_file.h"

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "model/file.h"
#include "model/sha256.h"

namespace s2p {
namespace {

constexpr absl::string_view kMagic = "s2pindex";
constexpr absl::string_view kSuffix = ".index";
constexpr size_t kDigestBytes = 64;
constexpr size_t kHeaderBytes = kMagic.size() + sizeof(uint32_t) + kDigestBytes + 1;
// The largest protobuf message.
constexpr uint64_t kMaxBytes = uint64_t{1} << 31;

std::string LittleEndian(uint32_t value) {
  std::string bytes;
  for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(value >> shift & 0xFF);
  return bytes;
}

uint32_t ReadLittleEndian(absl::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

absl::Status CheckBody(const v1::IndexFile& file, int64_t version) {
  if (file.model_version() != version) {
    return absl::DataLossError(absl::StrCat("belongs to version ", file.model_version()));
  }
  if (file.digests_size() != file.lists_size()) {
    return absl::DataLossError("digests and lists differ in number");
  }
  for (int i = 1; i < file.digests_size(); ++i) {
    if (file.digests(i) < file.digests(i - 1)) {
      return absl::DataLossError("digests: not in order");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::IndexFile> Parse(absl::string_view bytes, int64_t version) {
  if (bytes.size() < kHeaderBytes || bytes.substr(0, kMagic.size()) != kMagic) {
    return absl::DataLossError("is not an index file");
  }
  const uint32_t format = ReadLittleEndian(bytes.substr(kMagic.size()));
  if (format > kIndexFileFormat) {
    return absl::FailedPreconditionError(absl::StrCat(
        "is of format ", format, ", but this program knows only up to ", kIndexFileFormat));
  }
  if (format < 1) return absl::DataLossError("has no format version");
  const absl::string_view digest = bytes.substr(kMagic.size() + sizeof(uint32_t), kDigestBytes + 1);
  const absl::string_view body = bytes.substr(kHeaderBytes);
  if (digest != Sha256(body) + "\n") return absl::DataLossError("the checksum differs");
  v1::IndexFile file;
  if (!file.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
    return absl::DataLossError("is not a message IndexFile");
  }
  S2P_RETURN_IF_ERROR(CheckBody(file, version));
  return file;
}

}  // namespace

std::string IndexFiles::PathOf(int64_t version) const {
  return absl::StrCat(directory_, "/", version, kSuffix);
}

absl::StatusOr<v1::IndexFile> IndexFiles::Read(int64_t version) const {
  const std::string path = PathOf(version);
  // Not moved out of its result: GCC 12 then warns of bytes that are not initialised.
  const absl::StatusOr<std::string> bytes = ReadWholeFile(path, kMaxBytes);
  if (!bytes.ok()) return bytes.status();
  absl::StatusOr<v1::IndexFile> file = Parse(*bytes, version);
  if (file.ok()) return file;
  return absl::Status(file.status().code(), absl::StrCat(path, ": ", file.status().message()));
}

absl::Status IndexFiles::Write(const v1::IndexFile& file) const {
  const std::string path = PathOf(file.model_version());
  std::error_code error;
  std::filesystem::create_directories(directory_, error);
  if (error) return FileError(error.value(), directory_, "create folder");
  std::string body;
  if (file.ByteSizeLong() >= kMaxBytes - kHeaderBytes || !file.SerializeToString(&body)) {
    return absl::ResourceExhaustedError(absl::StrCat(path, ": too large for one file"));
  }
  const std::string temporary = path + ".tmp";
  absl::MutexLock one_at_a_time(&write_mutex_);
  absl::Status status = WriteFileSynced(
      temporary, {kMagic, LittleEndian(kIndexFileFormat), Sha256(body) + "\n", body});
  if (status.ok() && std::rename(temporary.c_str(), path.c_str()) != 0) {
    status = FileError(errno, path, "rename");
  }
  if (!status.ok()) {
    std::filesystem::remove(temporary, error);
    return status;
  }
  return SyncDirectory(directory_);
}

void IndexFiles::Keep(const std::set<int64_t>& versions) const {
  std::error_code error;
  std::vector<std::filesystem::path> surplus;
  for (std::filesystem::directory_iterator it(directory_, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    int64_t version = 0;
    const bool known = absl::EndsWith(name, kSuffix) &&
                       absl::SimpleAtoi(name.substr(0, name.size() - kSuffix.size()), &version);
    if (known && versions.count(version) == 0) surplus.push_back(it->path());
  }
  for (const std::filesystem::path& path : surplus) std::filesystem::remove(path, error);
}

}  // namespace s2p

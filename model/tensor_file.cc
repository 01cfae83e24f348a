#include "model/tensor_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "model/file.h"

namespace s2p {
namespace {

absl::Status ReadFully(int descriptor, const std::string& path, uint64_t offset, char* out,
                       uint64_t size) {
  while (size > 0) {
    const ssize_t got = pread(descriptor, out, size, static_cast<off_t>(offset));
    if (got < 0) {
      if (errno == EINTR) continue;
      return FileError(errno, path, "read");
    }
    if (got == 0) return absl::DataLossError(absl::StrCat(path, ": ends early"));
    out += got;
    offset += static_cast<uint64_t>(got);
    size -= static_cast<uint64_t>(got);
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> SizeOfFile(int descriptor, const std::string& path) {
  struct stat status {};
  if (fstat(descriptor, &status) != 0) return FileError(errno, path, "stat");
  if (!S_ISREG(status.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(path, ": not a regular file"));
  }
  return static_cast<uint64_t>(status.st_size);
}

absl::Status InFile(const std::string& path, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
}

}  // namespace

TensorFile::TensorFile(std::string path, int descriptor)
    : path_(std::move(path)), descriptor_(descriptor) {}

TensorFile::TensorFile(TensorFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_bytes_(other.size_bytes_),
      data_begin_(other.data_begin_),
      tensors_(std::move(other.tensors_)) {}

TensorFile::~TensorFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

absl::StatusOr<TensorFile> TensorFile::Open(const std::string& path) {
  SafetensorsLimits limits;
  limits.max_file_bytes = std::numeric_limits<uint64_t>::max();
  return Open(path, limits);
}

absl::StatusOr<TensorFile> TensorFile::Open(const std::string& path,
                                            const SafetensorsLimits& limits) {
  // O_NONBLOCK: opening a pipe must not wait for its writer.
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return FileError(errno, path, "open");
  TensorFile file(path, descriptor);
  S2P_ASSIGN_OR_RETURN(const uint64_t bytes, SizeOfFile(descriptor, path));
  file.size_bytes_ = bytes;
  std::string first_bytes(std::min<uint64_t>(kSafetensorsLengthBytes, bytes), '\0');
  S2P_RETURN_IF_ERROR(ReadFully(descriptor, path, 0, &first_bytes[0], first_bytes.size()));
  const auto length = SafetensorsHeaderLength(first_bytes, bytes, limits);
  if (!length.ok()) return InFile(path, length.status());
  std::string json(*length, '\0');
  S2P_RETURN_IF_ERROR(ReadFully(descriptor, path, kSafetensorsLengthBytes, &json[0], json.size()));
  file.data_begin_ = kSafetensorsLengthBytes + *length;
  auto entries = ParseSafetensorsHeader(json, bytes - file.data_begin_);
  if (!entries.ok()) return InFile(path, entries.status());
  for (SafetensorsEntry& entry : *entries) file.tensors_.emplace(entry.name, std::move(entry));
  return file;
}

absl::Status TensorFile::ReadAt(uint64_t begin, char* out, uint64_t size) const {
  return ReadFully(descriptor_, path_, data_begin_ + begin, out, size);
}

absl::StatusOr<std::string> TensorFile::Read(const SafetensorsEntry& entry) const {
  std::string bytes(entry.end - entry.begin, '\0');
  S2P_RETURN_IF_ERROR(ReadAt(entry.begin, &bytes[0], bytes.size()));
  return bytes;
}

void TensorFile::ExpectRandomReads() const {
  // Without it the same bytes are read, only more of them.
  static_cast<void>(posix_fadvise(descriptor_, 0, 0, POSIX_FADV_RANDOM));
}

TensorFileWriter::TensorFileWriter(std::string path, int descriptor,
                                   std::vector<SafetensorsEntry> entries)
    : path_(std::move(path)), descriptor_(descriptor), entries_(std::move(entries)) {}

TensorFileWriter::TensorFileWriter(TensorFileWriter&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      entries_(std::move(other.entries_)),
      written_(other.written_) {}

TensorFileWriter::~TensorFileWriter() {
  if (descriptor_ >= 0) close(descriptor_);
}

absl::StatusOr<TensorFileWriter> TensorFileWriter::Create(const std::string& path,
                                                          std::vector<SafetensorsEntry> entries) {
  const int descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) return FileError(errno, path, "create");
  PlaceTensors(entries);
  TensorFileWriter writer(path, descriptor, std::move(entries));
  S2P_RETURN_IF_ERROR(writer.Write(SerializeSafetensorsHeader(writer.entries_)));
  return writer;
}

absl::Status TensorFileWriter::Write(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor_, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return FileError(errno, path_, "write");
    }
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status TensorFileWriter::Append(absl::string_view bytes) {
  written_ += bytes.size();
  return Write(bytes);
}

absl::Status TensorFileWriter::Finish() {
  S2P_CHECK(written_ == (entries_.empty() ? 0 : entries_.back().end));
  absl::Status status;
  if (fsync(descriptor_) != 0) status = FileError(errno, path_, "sync");
  // Some file systems report a full disk only here.
  if (close(std::exchange(descriptor_, -1)) != 0 && status.ok()) {
    status = FileError(errno, path_, "close");
  }
  return status;
}

}  // namespace s2p

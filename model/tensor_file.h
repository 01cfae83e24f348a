// Safetensors files that do not fit into memory: written tensor by tensor, read in parts.
#ifndef S2P_MODEL_TENSOR_FILE_H_
#define S2P_MODEL_TENSOR_FILE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/safetensors.h"
#include "model/safetensors_header.h"

namespace s2p {

// A file open for reading in parts. Nothing but its header is kept in memory: the parts are read
// with pread rather than mapped, so that they count as the system's cache and not as this
// process's memory, and a file that is cut short while it is used is an error and no SIGBUS.
// Immutable; all functions may be called from several threads.
class TensorFile {
 public:
  // Any size of file. NotFound; else as ReadSafetensors.
  static absl::StatusOr<TensorFile> Open(const std::string& path);
  // The same within limits: DataLoss also for a file or a header above them.
  static absl::StatusOr<TensorFile> Open(const std::string& path, const SafetensorsLimits& limits);
  TensorFile(TensorFile&& other) noexcept;
  TensorFile& operator=(TensorFile&&) = delete;
  ~TensorFile();

  const std::string& path() const { return path_; }
  // When it was opened.
  uint64_t size_bytes() const { return size_bytes_; }
  // By name; begin and end as in the header.
  const std::map<std::string, SafetensorsEntry>& tensors() const { return tensors_; }

  // Reads `size` bytes of the data from `begin`, counted as SafetensorsEntry::begin. DataLoss if
  // the file ends before.
  absl::Status ReadAt(uint64_t begin, char* out, uint64_t size) const;
  // Reads a whole tensor.
  absl::StatusOr<std::string> Read(const SafetensorsEntry& entry) const;
  // Tells the system that reads will jump: it then reads no more than it is asked for.
  void ExpectRandomReads() const;

 private:
  TensorFile(std::string path, int descriptor);
  std::string path_;
  int descriptor_;
  uint64_t size_bytes_ = 0;
  // The position of the data in the file.
  uint64_t data_begin_ = 0;
  std::map<std::string, SafetensorsEntry> tensors_;
};

// Writes a file whose tensors arrive in pieces. The bytes are those that WriteSafetensors writes.
// One thread only.
class TensorFileWriter {
 public:
  // Creates or replaces the file and writes its header; `begin` and `end` of the entries are not
  // looked at. A crash leaves a partial file: write under a name that nothing reads, then rename.
  static absl::StatusOr<TensorFileWriter> Create(const std::string& path,
                                                 std::vector<SafetensorsEntry> entries);
  TensorFileWriter(TensorFileWriter&& other) noexcept;
  TensorFileWriter& operator=(TensorFileWriter&&) = delete;
  ~TensorFileWriter();

  // In the order of their data (PlaceTensors).
  const std::vector<SafetensorsEntry>& entries() const { return entries_; }
  // The next bytes of the data. ResourceExhausted when the disk is full.
  absl::Status Append(absl::string_view bytes);
  // Syncs and closes. Requires that the data are complete.
  absl::Status Finish();

 private:
  TensorFileWriter(std::string path, int descriptor, std::vector<SafetensorsEntry> entries);
  absl::Status Write(absl::string_view bytes);
  std::string path_;
  int descriptor_;
  std::vector<SafetensorsEntry> entries_;
  uint64_t written_ = 0;
};

}  // namespace s2p

#endif  // S2P_MODEL_TENSOR_FILE_H_

// A file that is read piece by piece, and whose digest is known.
#ifndef S2P_MODEL_VERIFIED_FILE_H_
#define S2P_MODEL_VERIFIED_FILE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "model/file.h"
#include "model/sha256_stream.h"

namespace s2p {

// Reads a file once, from start to end, in pieces of any size, and checks its digest with the last
// one. It holds no bytes between two pieces. Somebody may remove the file in the meantime.
// Thread-compatible.
class VerifiedFile {
 public:
  // As InputFile::Open; DataLoss if the size differs. `sha256` is 64 lower-case hex digits.
  static absl::StatusOr<VerifiedFile> Open(const std::string& path, std::string sha256,
                                           uint64_t size_bytes);

  uint64_t bytes_left() const { return left_; }
  // At most `most` bytes, and at least one unless bytes_left() is 0. DataLoss instead of the last
  // piece if the file does not have its digest.
  absl::StatusOr<std::string> Next(size_t most);

 private:
  VerifiedFile(InputFile file, std::string sha256);
  InputFile file_;
  std::string sha256_;
  uint64_t left_;
  Sha256Stream digest_;
};

}  // namespace s2p

#endif  // S2P_MODEL_VERIFIED_FILE_H_

#include "model/verified_file.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace s2p {

absl::StatusOr<VerifiedFile> VerifiedFile::Open(const std::string& path, std::string sha256,
                                                uint64_t size_bytes) {
  S2P_ASSIGN_OR_RETURN(InputFile file, InputFile::Open(path));
  if (file.size_bytes() != size_bytes) {
    return absl::DataLossError(
        absl::StrCat(path, ": size: ", file.size_bytes(), " bytes instead of ", size_bytes));
  }
  return VerifiedFile(std::move(file), std::move(sha256));
}

VerifiedFile::VerifiedFile(InputFile file, std::string sha256)
    : file_(std::move(file)), sha256_(std::move(sha256)), left_(file_.size_bytes()) {}

absl::StatusOr<std::string> VerifiedFile::Next(size_t most) {
  std::string piece(std::min<uint64_t>(left_, most), '\0');
  if (piece.empty()) return piece;
  S2P_RETURN_IF_ERROR(file_.Read(&piece[0], piece.size()));
  digest_.Add(piece);
  left_ -= piece.size();
  if (left_ > 0) return piece;
  const std::string actual = digest_.Hex();
  if (actual == sha256_) return piece;
  return absl::DataLossError(absl::StrCat(file_.path(), ": sha256: the bytes have ", actual));
}

}  // namespace s2p

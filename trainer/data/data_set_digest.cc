#include "trainer/data/data_set_digest.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "model/sha256.h"

namespace s2p {

absl::StatusOr<std::string> DataSetDigest(const std::string& folder) {
  if (folder.empty()) return std::string();
  std::error_code error;
  if (std::filesystem::is_regular_file(folder, error)) return Sha256OfFile(folder);
  return Sha256OfFile(absl::StrCat(folder, "/dataset.jsonl"));
}

}  // namespace s2p

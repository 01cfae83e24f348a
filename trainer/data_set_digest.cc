#include "trainer/data_set_digest.h"

#include "absl/strings/str_cat.h"
#include "model/checkpoint.h"

namespace s2p {

absl::StatusOr<std::string> DataSetDigest(const std::string& folder) {
  if (folder.empty()) return std::string();
  return Sha256OfFile(absl::StrCat(folder, "/dataset.jsonl"));
}

}  // namespace s2p

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "model/sha256.h"
#include "server/index/index_file.h"
#include "server/index/index_ivf.h"
#include "tests/fuzz/scratch_file.h"
#include "tests/fuzz/targets.h"

namespace s2p::fuzz {

void IndexFile(absl::string_view bytes) {
  static const ScratchFolder folder;
  const IndexFiles files(folder.path());
  std::string content(bytes);
  if (!bytes.empty() && bytes[0] == 'b') {
    const absl::string_view body = bytes.substr(1);
    content = absl::StrCat("s2pindex", std::string("\1\0\0\0", 4), Sha256(body), "\n", body);
  }
  folder.Write("1.index", content);
  const auto file = files.Read(1);
  if (!file.ok()) return;
  S2P_CHECK(file->model_version() == 1 && file->digests_size() == file->lists_size());
  EmbeddingMatrix vectors(4, 8);
  for (int i = 0; i < vectors.rows(); ++i) vectors.row(i)[i] = 1;
  IvfAssignment known;
  for (int i = 0; i < file->digests_size(); ++i) {
    known.emplace_back(file->digests(i), file->lists(i));
  }
  const auto index = IvfIndex::Build(file->training(), std::move(vectors), known);
  S2P_CHECK(!index.ok() || (*index)->training().kind() == file->training().kind());
}

}  // namespace s2p::fuzz

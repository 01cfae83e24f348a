#include "server/gallery/kept_versions.h"

#include <set>
#include <utility>

#include "base/status_macros.h"

namespace s2p {
namespace {

// Rows of embeddings that are looked at while writes wait.
constexpr int64_t kDroppedAtOnce = 2048;

}  // namespace

void KeptVersions::NoteServing(int64_t version, bool resumed, Catalogue& catalogue) {
  if (resumed) {
    unnoted_version_ = version;
    return;
  }
  if (const int64_t before = std::exchange(unnoted_version_, 0); before != 0) {
    catalogue.NoteServing(version, most_ + 1).IgnoreError();
    catalogue.NoteServing(before, most_ + 1).IgnoreError();
  }
  catalogue.NoteServing(version, most_).IgnoreError();
}

absl::Status KeptVersions::DropRetired(int64_t serving, GalleryWriter& writer,
                                       const IndexBuilder& indexes) {
  if (unnoted_version_ != 0) return absl::OkStatus();
  S2P_ASSIGN_OR_RETURN(const std::set<int64_t> kept, writer.Exclusively([](Catalogue& catalogue) {
    return catalogue.ServedVersions();
  }));
  if (kept.count(serving) == 0) return absl::OkStatus();
  indexes.Keep(kept);
  int64_t after = 0;
  do {
    S2P_ASSIGN_OR_RETURN(after, writer.Exclusively([after](Catalogue& catalogue) {
      return catalogue.DropRetired(after, kDroppedAtOnce);
    }));
  } while (after != 0);
  return absl::OkStatus();
}

}  // namespace s2p

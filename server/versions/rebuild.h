// A new catalogue for a data folder that has lost its own.
#ifndef S2P_SERVER_VERSIONS_REBUILD_H_
#define S2P_SERVER_VERSIONS_REBUILD_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace s2p {

struct RebuildReport {
  // Items that have their ids and metadata again, from photos/items.journal.
  int64_t from_journal = 0;
  // Photos that the journal does not know: items with the id "photo-" and the first 16 digits of
  // the photo's SHA-256, or all of them if that id is taken. No metadata; added when the file was
  // last changed.
  int64_t with_new_ids = 0;
  // Items of the journal whose photos are missing; they are in the catalogue all the same.
  int64_t missing = 0;
  // The catalogue that could not be read was put here; empty if there was none.
  std::string kept;
  // One sentence for each thing that was left out.
  std::vector<std::string> problems;
};

// Makes <data_dir>/gallery.db from the photos and their journal. Deleted items stay deleted.
// Embeddings are computed at the next start; which version was pinned is lost. A catalogue that
// cannot be read is kept under another name. The new one takes its place in the end, so that a run
// that was killed can be repeated. FailedPrecondition if there is a good catalogue, or a server
// uses the folder; NotFound if there are no photos; ResourceExhausted when the disk is full.
absl::StatusOr<RebuildReport> RebuildCatalogue(const std::string& data_dir);

}  // namespace s2p

#endif  // S2P_SERVER_VERSIONS_REBUILD_H_

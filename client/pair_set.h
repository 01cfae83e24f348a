// Exported feedback as a data set on this machine.
#ifndef S2P_CLIENT_PAIR_SET_H_
#define S2P_CLIENT_PAIR_SET_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "s2p/v1/feedback.pb.h"

namespace s2p {

// Writes the messages of one ExportFeedback into a new folder, in the format of docs/datasets.md.
// Nothing is made before the first message, and whatever was made is removed again unless Finish
// succeeds, so that a failed export can simply be repeated. dataset.jsonl comes last: a folder that
// a kill left half written does not open. Files are named by numbers, never by what a server says.
// Thread-compatible.
class PairSetWriter {
 public:
  // FailedPrecondition if the folder has content.
  static absl::StatusOr<std::unique_ptr<PairSetWriter>> Create(const std::string& folder);
  ~PairSetWriter();

  // Takes the next message. DataLoss if a photo has other than the announced size; else the
  // system's error.
  absl::Status Add(const v1::ExportFeedbackResponse& message);
  // Writes the lines. NotFound if there was no pair.
  absl::Status Finish();

  int64_t pairs() const { return pairs_; }
  int64_t photos() const { return photos_; }

 private:
  explicit PairSetWriter(std::string folder) : folder_(std::move(folder)) {}
  absl::Status MakeFolders();
  // Makes a folder, and those above it, that are missing.
  absl::Status MakeFolder(const std::string& path);
  absl::Status Write(const std::string& name, const std::string& bytes);
  // Writes the photo whose chunks have come.
  absl::Status EndPhoto();

  const std::string folder_;
  // Paths that did not exist before, in the order in which they were made; empty once it is
  // finished.
  std::vector<std::string> made_;
  std::string lines_;
  // The photo whose chunks are coming: its name in the folder, what has come, and its size.
  std::string photo_name_;
  std::string photo_;
  uint64_t photo_bytes_ = 0;
  int64_t pairs_ = 0;
  int64_t photos_ = 0;
};

}  // namespace s2p

#endif  // S2P_CLIENT_PAIR_SET_H_

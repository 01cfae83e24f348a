// Exported feedback as a data set on this machine.
#ifndef S2P_CLIENT_PAIR_SET_H_
#define S2P_CLIENT_PAIR_SET_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "s2p/v1/feedback.pb.h"

namespace s2p {

// Writes the messages of one ExportFeedback into a new folder, in the format of docs/datasets.md.
// dataset.jsonl comes last, so a folder that was left half written does not open. Files are named
// by numbers, never by what a server says. Thread-compatible.
class PairSetWriter {
 public:
  // FailedPrecondition if the folder has content; else the system's error.
  static absl::StatusOr<PairSetWriter> Create(const std::string& folder);

  // Takes the next message. DataLoss if a photo has other than the announced size.
  absl::Status Add(const v1::ExportFeedbackResponse& message);
  // Writes the lines. NotFound if there was no pair.
  absl::Status Finish();

  int64_t pairs() const { return pairs_; }
  int64_t photos() const { return photos_; }

 private:
  explicit PairSetWriter(std::string folder) : folder_(std::move(folder)) {}
  // Writes the photo whose chunks have come.
  absl::Status EndPhoto();

  std::string folder_;
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

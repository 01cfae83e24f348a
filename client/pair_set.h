// Exported feedback as a data set on this machine.
#ifndef S2P_CLIENT_PAIR_SET_H_
#define S2P_CLIENT_PAIR_SET_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/new_data_set.h"
#include "s2p/v1/feedback.pb.h"

namespace s2p {

// Writes the messages of one ExportFeedback as a NewDataSet. Files are named by numbers, never by
// what a server says. Thread-compatible.
class PairSetWriter {
 public:
  // As NewDataSet::Create.
  static absl::StatusOr<std::unique_ptr<PairSetWriter>> Create(const std::string& folder);

  // Takes the next message. DataLoss if a photo has other than the announced size; else the
  // system's error.
  absl::Status Add(const v1::ExportFeedbackResponse& message);
  // Writes the lines. NotFound if there was no pair.
  absl::Status Finish();

  int64_t pairs() const { return pairs_; }
  int64_t photos() const { return photos_; }

 private:
  explicit PairSetWriter(std::unique_ptr<NewDataSet> data_set) : data_set_(std::move(data_set)) {}
  // Writes the photo whose chunks have come.
  absl::Status EndPhoto();

  const std::unique_ptr<NewDataSet> data_set_;
  // The photo whose chunks are coming: its name in the folder, what has come, and its size.
  std::string photo_name_;
  std::string photo_;
  uint64_t photo_bytes_ = 0;
  // The name of the photo that the sketches which follow show.
  std::string shown_;
  int64_t pairs_ = 0;
  int64_t photos_ = 0;
};

}  // namespace s2p

#endif  // S2P_CLIENT_PAIR_SET_H_

// The search server's metrics. Names: docs/operations.md.
#ifndef S2P_SERVER_RPC_METRICS_H_
#define S2P_SERVER_RPC_METRICS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "model/precision.h"
#include "rpc/rpc_metrics.h"
#include "server/decoder/decoder_process.h"
#include "server/faults/faults.h"
#include "server/feedback/feedback_record.h"

namespace s2p {

enum class Stage { kDecode, kQueue, kPreprocess, kEncode, kSearch };

// Why a search was dropped before it cost compute: too many wait for the encoder; too many wait to
// be decoded; it was too late; its client went away.
enum class Rejection { kQueueFull, kBusy, kDeadline, kCancelled };

// Why feedback was refused: a field of the request; a drawing that is unreadable or too large; a
// blank one; a photo that the gallery does not have; no room on the disk or in the store.
enum class FeedbackRefusal { kRequest, kDrawing, kBlank, kPhoto, kFull };

// Thread-safe.
class Metrics final : public RpcMetrics {
 public:
  // `version` is the program's, for s2p_build_info.
  explicit Metrics(const std::string& version);
  ~Metrics();

  void ObserveStage(Stage stage, absl::Duration took);
  void ObserveBatch(int images);
  void SetQueueDepth(int images);
  void CountRejected(Rejection reason);
  void SetModelVersion(int64_t version);
  // The arithmetic of the serving version.
  void SetModelPrecision(Precision precision);
  // "ok" or "failed".
  void CountModelLoad(const std::string& result);
  void ObserveModelSwap(absl::Duration took);
  void SetReembedProgress(double ratio);
  // Counts a photo that a new version could not embed: "damaged" or "too_slow".
  void CountLeftOut(const std::string& reason);
  void SetGalleryPhotos(uint64_t photos);
  // Photos whose colours are not known.
  void SetUncolouredPhotos(int64_t photos);
  // Photos in photos/.orphans that no item names, and photos whose files are missing, both as found
  // at the start.
  void SetGalleryOrphans(int64_t orphans);
  void SetGalleryMissing(int64_t missing);
  // op "add", "delete" or "update"; result as CodeName.
  void CountGalleryWrite(const std::string& op, const std::string& result, int count = 1);
  void CountFault(FaultKind kind);
  // Free space below which photos are refused.
  void SetDiskReserve(uint64_t bytes);
  void SetDeviceMemory(uint64_t bytes);
  // `is_new`: it was not kept before.
  void CountFeedbackRecorded(bool is_new);
  void CountFeedbackRefused(FeedbackRefusal reason);
  // Entries kept, and pairs in the data set.
  void SetFeedback(const FeedbackTotals& totals, int64_t pairs);
  void CountDecoderStart();
  void CountDecoderEnd(DecoderEnd end);

 private:
  struct Families;
  const std::unique_ptr<Families> families_;
};

}  // namespace s2p

#endif  // S2P_SERVER_RPC_METRICS_H_

// The server's metrics, as numbers that the rest of the server sets. Names: docs/operations.md.
#ifndef S2P_SERVER_RPC_METRICS_H_
#define S2P_SERVER_RPC_METRICS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace s2p {

enum class Stage { kDecode, kQueue, kPreprocess, kEncode, kSearch };

// Why a search was given up before it cost compute: too many wait for the encoder; too many wait to
// be decoded; it was too late; its client went away.
enum class Rejection { kQueueFull, kBusy, kDeadline, kCancelled };

// Thread-safe.
class Metrics {
 public:
  // `version` is the program's, for s2p_build_info.
  explicit Metrics(const std::string& version);
  ~Metrics();

  // A call that has ended. `method` is one of the server's RPCs.
  void CountRequest(absl::string_view method, absl::StatusCode code, absl::Duration took);
  void ObserveStage(Stage stage, absl::Duration took);
  void ObserveBatch(int images);
  void SetQueueDepth(int images);
  void CountRejected(Rejection reason);
  void SetModelVersion(int64_t version);
  // "ok" or "failed".
  void CountModelLoad(const std::string& result);
  void ObserveModelSwap(absl::Duration took);
  void SetReembedProgress(double ratio);
  void SetGalleryPhotos(uint64_t photos);
  // Photos that no item names and that are kept in photos/.orphans; photos whose files are missing.
  // Both as the start found them.
  void SetGalleryOrphans(int64_t orphans);
  void SetGalleryMissing(int64_t missing);
  // op "add", "delete" or "update"; result as CodeName.
  void CountGalleryWrite(const std::string& op, const std::string& result, int count = 1);
  void SetDeviceMemory(uint64_t bytes);

  // Asks the file system that `path` is on for the room it has.
  void MeasureDisk(const std::string& path);

  // All of them in Prometheus's text format.
  std::string Text() const;

 private:
  struct Families;
  const std::unique_ptr<Families> families_;
};

}  // namespace s2p

#endif  // S2P_SERVER_RPC_METRICS_H_

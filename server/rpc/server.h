// s2p-server put together: gallery, loader, batcher, services, ports.
#ifndef S2P_SERVER_RPC_SERVER_H_
#define S2P_SERVER_RPC_SERVER_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "rpc/credentials.h"
#include "server/search/batcher.h"
#include "server/search/limits.h"
#include "server/versions/snapshot_loader.h"

namespace s2p {

struct ServerOptions {
  // The checkpoint store; may be read-only, empty, or not there yet.
  std::string checkpoint_root;
  std::string data_dir;
  // As GalleryOptions has it.
  bool set_aside_orphans = false;
  // HOST:PORT of gRPC and of the HTTP endpoint; port 0 picks a free one.
  std::string listen = "127.0.0.1:50051";
  std::string http = "127.0.0.1:9464";
  CredentialOptions credentials;
  // Makes an encoder of a verified checkpoint.
  EncoderFactory load_encoder;

  Limits limits;
  BatcherOptions batcher;
  // Size of a gRPC message; the largest photo that the limits allow always fits.
  uint64_t max_message_bytes = uint64_t{16} << 20;
  // Threads that decode images of searches; 0: one per core.
  int decode_threads = 0;
  // Pixels that decoded images may take at one time.
  int64_t max_pixels_in_flight = 160'000'000;
  // As SnapshotLoaderOptions has them.
  absl::Duration poll_interval = absl::Seconds(2);
  int warm_up_passes = 3;
  double reembed_share = 0.5;
  int keep_versions = 2;
  // Calls that take longer are logged. 0: none.
  absl::Duration slow_query = absl::Seconds(1);
  // As IndexBuilderOptions has them.
  std::string index = "Flat";
  double index_recall = 0.95;
  // For s2p_build_info.
  std::string version = "unknown";
};

// Runs from Start to Shutdown. Thread-safe.
class SearchServer {
 public:
  // Opens the gallery, takes the ports, begins to load the model; serves as soon as that is done.
  // FailedPrecondition if another process has the data folder; Unavailable naming the address if a
  // port is taken; InvalidArgument naming a bad option; else as Gallery::Open.
  static absl::StatusOr<std::unique_ptr<SearchServer>> Start(const ServerOptions& options);
  // Cancels what is still under way.
  virtual ~SearchServer() = default;

  // HOST:PORT as bound.
  virtual const std::string& address() const = 0;
  virtual const std::string& http_address() const = 0;
  // A snapshot serves.
  virtual bool ready() const = 0;
  // Refuses new calls, lets those under way end for at most `drain`, then cancels them. Idempotent.
  virtual void Shutdown(absl::Duration drain) = 0;
};

}  // namespace s2p

#endif  // S2P_SERVER_RPC_SERVER_H_

// s2p-server put together: gallery, loader, batcher, services, ports.
#ifndef S2P_SERVER_RPC_SERVER_H_
#define S2P_SERVER_RPC_SERVER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/steady_time.h"
#include "rpc/grpc_host.h"
#include "rpc/worker_pool.h"
#include "server/decoder/budget.h"
#include "server/decoder/decoder_pool.h"
#include "server/decoder/image_decoder.h"
#include "server/faults/faults.h"
#include "server/feedback/feedback_collection.h"
#include "server/gallery/gallery.h"
#include "server/gallery/snapshot.h"
#include "server/rpc/metrics.h"
#include "server/rpc/service_context.h"
#include "server/search/batcher.h"
#include "server/search/limits.h"
#include "server/versions/snapshot_loader.h"

namespace s2p {

class FeedbackServiceImpl;
class GalleryServiceImpl;
class ModelServiceImpl;
class SearchServiceImpl;

struct ServerOptions {
  // The checkpoint store; may be read-only, empty, or missing.
  std::string checkpoint_root;
  std::string data_dir;
  // As in GalleryOptions.
  bool set_aside_orphans = false;
  MinFree min_free;
  DiskReserve::Measure measure_disk;
  // Messages may be larger than `max_message_bytes` where the largest photo that the limits allow
  // needs it.
  GrpcHostOptions host;
  // Makes an encoder of a verified checkpoint.
  EncoderFactory load_encoder;

  Limits limits;
  BatcherOptions batcher;
  // Threads that decode and preprocess images of searches, and photos that are preprocessed to be
  // added at one time; 0: one per core.
  int decode_threads = 0;
  // The file of s2p-decoder, whose processes decode all images; empty: this process does.
  std::string decoder_program;
  // As in DecoderProcessOptions.
  absl::Duration max_decode_time = absl::Seconds(30);
  // Memory for images, in bytes, from the start of decoding until the encoder has taken them: of
  // all searches together, of photos that are added, of thumbnails. Each is at least what the
  // largest image that the limits allow takes.
  int64_t search_image_bytes = int64_t{512} << 20;
  int64_t add_image_bytes = int64_t{512} << 20;
  int64_t thumbnail_image_bytes = int64_t{512} << 20;
  // Bytes of photos that AddPhotos may have read and not yet answered; at this limit streams wait.
  uint64_t max_add_bytes = uint64_t{256} << 20;
  // GetPhoto calls at one time; each holds a piece of its photo until the client takes it.
  int max_photos_sent = 256;
  // Keeps what people say about photos, with their drawings; without it nothing of that is kept.
  bool collect_feedback = false;
  // As in FeedbackOptions.
  std::string feedback_data_set;
  uint64_t max_feedback_bytes = FeedbackOptions().max_bytes;
  // As in SnapshotLoaderOptions.
  absl::Duration poll_interval = absl::Seconds(2);
  int warm_up_passes = 3;
  double reembed_share = 0.5;
  int keep_versions = 2;
  // As in IndexBuilderOptions.
  std::string index = "Flat";
  double index_recall = 0.95;
  // For s2p_build_info.
  std::string version = "unknown";
};

// Runs from Start to Shutdown. Thread-safe.
class SearchServer {
 public:
  // Opens the gallery, takes the ports, starts to load the model; serves as soon as that is done.
  // FailedPrecondition if another process has the data folder; Unavailable naming the address if a
  // port is taken; InvalidArgument naming a bad option; else as GrpcHost::Create,
  // DecoderPool::Create and Gallery::Open.
  static absl::StatusOr<std::unique_ptr<SearchServer>> Start(const ServerOptions& options);
  // As Shutdown without a drain.
  ~SearchServer();
  SearchServer(const SearchServer&) = delete;
  SearchServer& operator=(const SearchServer&) = delete;

  // The addresses as bound.
  const std::string& address() const { return host_->address(); }
  const std::string& http_address() const { return host_->http_address(); }
  // A snapshot serves.
  bool ready() const { return slot_.Get() != nullptr && !retired_; }
  // Reports that nothing serves, and answers calls nevertheless, so that balancers can send them
  // elsewhere before Shutdown. Idempotent.
  void StopServing();
  // Refuses new calls, lets running calls end for at most `drain`, then cancels them and refuses
  // work that waits. Returns when the work that runs has ended. Idempotent.
  void Shutdown(absl::Duration drain);

 private:
  explicit SearchServer(const ServerOptions& options);
  absl::Status Init();
  absl::Status MakeHost();
  absl::Status StartDecoders();
  absl::StatusOr<std::unique_ptr<ImageDecoder>> MakeDecoder(int processes);
  absl::Status OpenGallery();
  absl::Status OpenFeedback();
  absl::Status MakeLoader();
  absl::Status StartPipeline();
  absl::Status StartServices();
  void OnGalleryOpen(const GalleryFindings& findings);
  void OnVersionChange(const VersionStatus& status);
  void OnServing(const VersionStatus& status);
  void OnStore(const absl::Status& status);
  Faults::Options FaultOptions();
  void MeasureDisk();

  const ServerOptions options_;
  Metrics metrics_;
  Faults faults_;
  // The services exist, so watchers of the status can be woken.
  std::atomic<bool> serving_calls_{false};
  ByteBudget add_bytes_;
  CallPlaces photo_places_;
  CallPlaces export_places_;
  Budget search_memory_;
  Budget add_memory_;
  Budget thumbnail_memory_;
  Budget feedback_memory_;
  // Photos that are added and worked on between their decoding and their batch: as many as
  // decoders.
  Budget add_places_;
  std::unique_ptr<ImageDecoder> search_decoder_;
  // For photos that are added, thumbnails and feedback.
  std::unique_ptr<ImageDecoder> gallery_decoder_;
  SnapshotSlot slot_;
  std::unique_ptr<GrpcHost> host_;
  std::unique_ptr<Gallery> gallery_;
  // Null: feedback is not collected.
  std::unique_ptr<FeedbackCollection> feedback_;
  std::unique_ptr<SnapshotLoader> loader_;
  std::unique_ptr<Batcher> batcher_;
  std::unique_ptr<WorkerPool> decode_pool_;
  std::unique_ptr<WorkerPool> add_pool_;
  std::unique_ptr<WorkerPool> thumbnail_pool_;
  std::unique_ptr<WorkerPool> feedback_pool_;
  std::unique_ptr<WorkerPool> review_pool_;
  std::unique_ptr<WorkerPool> change_pool_;
  std::unique_ptr<WorkerPool> storage_pool_;
  ServiceContext context_;
  std::unique_ptr<SearchServiceImpl> search_;
  std::unique_ptr<GalleryServiceImpl> gallery_service_;
  std::unique_ptr<ModelServiceImpl> model_service_;
  std::unique_ptr<FeedbackServiceImpl> feedback_service_;
  // Start of loading the current version; the loader's thread only.
  SteadyTime load_start_;
  std::atomic<bool> retired_{false};
  std::atomic<bool> stopping_{false};
};

}  // namespace s2p

#endif  // S2P_SERVER_RPC_SERVER_H_

#include "server/rpc/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/hardware_threads.h"
#include "base/status_macros.h"
#include "daemon/http_endpoint.h"
#include "daemon/listen_address.h"
#include "daemon/log.h"
#include "rpc/api_keys.h"
#include "rpc/health_service.h"
#include "rpc/request_guard.h"
#include "rpc/worker_pool.h"
#include "server/gallery/gallery.h"
#include "server/gallery/snapshot.h"
#include "server/rpc/gallery_service.h"
#include "server/rpc/metrics.h"
#include "server/rpc/model_service.h"
#include "server/rpc/search_service.h"
#include "server/rpc/service_context.h"

namespace s2p {
namespace {

// They mostly wait for the encoder: as many as the largest useful batch.
constexpr int kAddThreads = 32;
// Photos that wait for one of them; a stream has at most 32 under way.
constexpr int kMostWaitingAdds = 1024;
constexpr int kStorageThreads = 4;
constexpr int kMostWaitingStorage = 1024;

// To warm up every size would take half a minute on a CPU. Kernels and memory are chosen by size,
// and what lies between two of these has little left to warm.
std::vector<int> BatchSizes(int most) {
  std::vector<int> sizes;
  for (int size = 1; size < most; size *= 2) sizes.push_back(size);
  sizes.push_back(most);
  return sizes;
}

// The largest message that gRPC takes. A photo that the limits allow always fits: gRPC refuses a
// larger message before a service sees it, and its RESOURCE_EXHAUSTED does not say which photo it
// was.
int MostMessageBytes(uint64_t wanted, const Limits& limits) {
  // The framing of fields and pairs.
  constexpr uint64_t kPairFrameBytes = 32;
  const uint64_t metadata =
      uint64_t{limits.max_metadata_pairs} *
      (limits.max_metadata_key_bytes + limits.max_metadata_value_bytes + kPairFrameBytes);
  const uint64_t photo =
      limits.image.max_bytes + metadata + limits.max_photo_id_bytes + kPairFrameBytes;
  return static_cast<int>(
      std::min<uint64_t>(std::max(wanted, photo), std::numeric_limits<int>::max()));
}

// s2p's own clients ping every 30 s.
constexpr int kShortestPingIntervalMs = 10 * 1000;

// The server as a whole, to grpc.health.v1.
constexpr char kWholeServer[] = "";

// Photos can be listed and models pinned from the first moment; nothing can be searched before a
// model serves, and the server as a whole is there to be searched.
std::map<std::string, bool> FirstHealth() {
  return {{kWholeServer, false},
          {v1::SearchService::service_full_name(), false},
          {v1::GalleryService::service_full_name(), true},
          {v1::ModelService::service_full_name(), true}};
}

// For clients to take what they were sent.
constexpr absl::Duration kWatchDrain = absl::Seconds(5);

class Server final : public SearchServer {
 public:
  explicit Server(ServerOptions options)
      : options_(std::move(options)),
        metrics_(options_.version),
        log_(CallLogOptions{options_.slow_query}),
        pixels_(options_.max_pixels_in_flight) {}
  ~Server() override { Shutdown(absl::ZeroDuration()); }

  absl::Status Init();

  const std::string& address() const override { return address_; }
  const std::string& http_address() const override { return http_->address(); }
  bool ready() const override { return slot_.Get() != nullptr && !stopping_; }
  void Shutdown(absl::Duration drain) override;

 private:
  absl::Status OpenGallery();
  void OnGalleryOpen(const GalleryFindings& findings);
  absl::Status StartPipeline();
  absl::Status StartGrpc();
  absl::Status StartHttp();
  void OnVersionChange(const VersionStatus& status);

  const ServerOptions options_;
  Metrics metrics_;
  CallLog log_;
  PixelBudget pixels_;
  std::optional<ApiKeys> keys_;
  SnapshotSlot slot_;
  std::unique_ptr<Gallery> gallery_;
  std::unique_ptr<SnapshotLoader> loader_;
  std::unique_ptr<Batcher> batcher_;
  std::unique_ptr<WorkerPool> decode_pool_;
  std::unique_ptr<WorkerPool> add_pool_;
  std::unique_ptr<WorkerPool> storage_pool_;
  ServiceContext context_;
  std::unique_ptr<SearchServiceImpl> search_;
  std::unique_ptr<GalleryServiceImpl> gallery_service_;
  std::unique_ptr<ModelServiceImpl> model_service_;
  HealthService health_{FirstHealth()};
  std::unique_ptr<grpc::Server> grpc_;
  std::unique_ptr<HttpEndpoint> http_;
  std::string address_;
  // Of the version that is being loaded; the loader's thread only.
  absl::Time load_begin_;
  std::atomic<bool> stopping_{false};
};

absl::Status Server::Init() {
  // Everything that can be wrong with the options first, then the folder, then the ports.
  if (!options_.credentials.api_key_file.empty()) {
    S2P_ASSIGN_OR_RETURN(keys_, ApiKeys::Read(options_.credentials.api_key_file));
  }
  absl::Status status = OpenGallery();
  if (status.ok()) status = StartPipeline();
  if (status.ok()) status = StartGrpc();
  if (status.ok()) status = StartHttp();
  if (!status.ok()) return status;
  loader_->Start();
  return absl::OkStatus();
}

absl::Status Server::OpenGallery() {
  GalleryOptions gallery_options;
  gallery_options.data_dir = options_.data_dir;
  gallery_options.set_aside_orphans = options_.set_aside_orphans;
  gallery_options.on_open = [this](const GalleryFindings& findings) { OnGalleryOpen(findings); };
  gallery_options.keep_versions = options_.keep_versions;
  gallery_options.image_limits = options_.limits.image;
  gallery_options.index.kind = options_.index;
  gallery_options.index.recall = options_.index_recall;
  gallery_options.index.interrupted = [this] { return stopping_.load(); };
  gallery_options.index.on_file_error = [](const absl::Status& why) {
    LogWarning("trained index not used, or not kept", {{"reason", why}});
  };
  gallery_options.on_compaction = [](const absl::Status& status, absl::Duration took) {
    if (status.ok()) {
      LogInfo("compacted the gallery's index", {{"took", took}});
    } else {
      LogWarning("could not compact the gallery's index", {{"reason", status}});
    }
  };
  S2P_ASSIGN_OR_RETURN(auto gallery, Gallery::Open(gallery_options, &slot_));
  gallery_ = std::move(gallery);

  SnapshotLoaderOptions loader_options;
  loader_options.checkpoint_root = options_.checkpoint_root;
  loader_options.data_dir = options_.data_dir;
  loader_options.load_encoder = options_.load_encoder;
  loader_options.poll_interval = options_.poll_interval;
  loader_options.keep_versions = options_.keep_versions;
  loader_options.warm_up_batch_sizes = BatchSizes(options_.batcher.max_batch);
  loader_options.warm_up_passes = options_.warm_up_passes;
  loader_options.reembed_share = options_.reembed_share;
  loader_options.busy = [this] { return batcher_->queue_depth() > 0; };
  loader_options.on_change = [this](const VersionStatus& version) { OnVersionChange(version); };
  // It starts after the service is there, and ends before it.
  loader_options.on_status = [this] { model_service_->Wake(); };
  loader_options.on_incomplete = [](int64_t version, const absl::Status& why) {
    LogInfo("a model is not whole yet, waiting for its files",
            {{"version", version}, {"reason", why}});
  };
  loader_options.on_damaged = [](const std::string& photo_id, const absl::Status& why) {
    LogWarning("left a photo out of the gallery", {{"photo_id", photo_id}, {"reason", why}});
  };
  S2P_ASSIGN_OR_RETURN(loader_, SnapshotLoader::Create(std::move(loader_options), gallery_.get()));
  return absl::OkStatus();
}

void Server::OnGalleryOpen(const GalleryFindings& findings) {
  metrics_.SetGalleryOrphans(findings.orphans_kept);
  metrics_.SetGalleryMissing(findings.missing);
  const std::string photos = options_.data_dir + "/photos";
  if (findings.created) LogInfo("created an empty gallery", {{"folder", options_.data_dir}});
  if (findings.orphans_set_aside > 0) {
    LogWarning("set aside photos that no item names",
               {{"photos", findings.orphans_set_aside}, {"folder", findings.orphan_folder}});
  }
  if (findings.brought_back > 0) {
    LogInfo("brought back photos that were set aside",
            {{"photos", findings.brought_back}, {"folder", photos}});
  }
  if (findings.missing > 0) {
    LogError("photos of the gallery are missing; 's2p-server check' names them",
             {{"photos", findings.missing}, {"folder", photos}});
  }
}

absl::Status Server::StartPipeline() {
  BatcherOptions batcher_options = options_.batcher;
  batcher_options.on_batch = [this](const BatchReport& report) {
    if (report.images > 0) {
      metrics_.ObserveBatch(report.images);
      metrics_.ObserveStage(Stage::kPreprocess, report.preprocess_time);
      metrics_.ObserveStage(Stage::kEncode, report.encode_time);
    }
    if (report.queries > 0) metrics_.ObserveStage(Stage::kSearch, report.search_time);
  };
  S2P_ASSIGN_OR_RETURN(auto batcher, Batcher::Create(batcher_options, &slot_));
  batcher_ = std::move(batcher);
  const int decoders = options_.decode_threads > 0 ? options_.decode_threads : HardwareThreads();
  decode_pool_ = std::make_unique<WorkerPool>(decoders, options_.batcher.max_queue);
  add_pool_ = std::make_unique<WorkerPool>(kAddThreads, kMostWaitingAdds);
  storage_pool_ = std::make_unique<WorkerPool>(kStorageThreads, kMostWaitingStorage);

  context_.limits = options_.limits;
  context_.keys = keys_ ? &*keys_ : nullptr;
  context_.slot = &slot_;
  context_.gallery = gallery_.get();
  context_.loader = loader_.get();
  context_.batcher = batcher_.get();
  context_.metrics = &metrics_;
  context_.log = &log_;
  context_.pixels = &pixels_;
  context_.decode_pool = decode_pool_.get();
  context_.add_pool = add_pool_.get();
  context_.storage_pool = storage_pool_.get();
  return absl::OkStatus();
}

absl::Status Server::StartGrpc() {
  S2P_ASSIGN_OR_RETURN(auto address, ParseListenAddress(options_.listen));
  S2P_ASSIGN_OR_RETURN(const auto credentials,
                       MakeServerCredentials(options_.listen, options_.credentials));
  search_ = std::make_unique<SearchServiceImpl>(&context_);
  gallery_service_ = std::make_unique<GalleryServiceImpl>(&context_);
  model_service_ = std::make_unique<ModelServiceImpl>(&context_);

  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  int port = 0;
  grpc::ServerBuilder builder;
  // A taken port is an error: two servers must never answer on one by turns.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // Of clients that watch, or wait for a long answer; gRPC would cut them off for it.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kShortestPingIntervalMs);
  builder.SetMaxReceiveMessageSize(MostMessageBytes(options_.max_message_bytes, options_.limits));
  builder.AddListeningPort(address.ToString(), credentials, &port);
  builder.RegisterService(search_.get());
  builder.RegisterService(gallery_service_.get());
  builder.RegisterService(model_service_.get());
  builder.RegisterService(&health_);
  AnswerUnreadableRequests(
      {v1::SearchService::service_full_name(), v1::GalleryService::service_full_name(),
       v1::ModelService::service_full_name()},
      &builder);
  grpc_ = builder.BuildAndStart();
  if (grpc_ == nullptr || port == 0) {
    return absl::UnavailableError(absl::StrCat(
        "--listen ", options_.listen,
        ": cannot listen there; is another server running? Choose another address or port"));
  }
  address.port = static_cast<uint16_t>(port);
  address_ = address.ToString();
  return absl::OkStatus();
}

absl::Status Server::StartHttp() {
  HttpEndpointOptions http_options;
  http_options.listen = options_.http;
  http_options.metrics = [this] {
    const GalleryTotals totals = gallery_->Totals();
    metrics_.SetGalleryPhotos(totals.photos + totals.sketches);
    metrics_.SetQueueDepth(batcher_->queue_depth());
    metrics_.MeasureDisk(options_.data_dir);
    return metrics_.Text();
  };
  http_options.ready = [this] { return ready(); };
  S2P_ASSIGN_OR_RETURN(http_, HttpEndpoint::Start(std::move(http_options)));
  return absl::OkStatus();
}

void Server::OnVersionChange(const VersionStatus& status) {
  switch (status.state) {
    case VersionState::kLoading:
      load_begin_ = absl::Now();
      LogInfo("loading model", {{"version", status.version}});
      break;
    case VersionState::kEmbedding:
      metrics_.SetReembedProgress(status.progress);
      break;
    case VersionState::kServing:
      metrics_.SetReembedProgress(1);
      metrics_.SetModelVersion(status.version);
      metrics_.CountModelLoad("ok");
      metrics_.ObserveModelSwap(absl::Now() - load_begin_);
      health_.Set(kWholeServer, true);
      health_.Set(v1::SearchService::service_full_name(), true);
      if (const auto snapshot = slot_.Get()) {
        metrics_.SetDeviceMemory(snapshot->encoder->device_memory_bytes());
        LogInfo("serving", {{"version", status.version},
                            {"took", absl::Now() - load_begin_},
                            {"device", snapshot->encoder->device()},
                            {"encoder", snapshot->encoder->description()},
                            {"photos", snapshot->gallery->size()},
                            {"index", snapshot->gallery->index_kind()},
                            {"index_recall", absl::StrCat(snapshot->gallery->index_recall())}});
      }
      break;
    case VersionState::kFailed:
      metrics_.SetReembedProgress(1);
      metrics_.CountModelLoad("failed");
      LogWarning("model refused", {{"version", status.version}, {"reason", status.failure}});
      break;
    case VersionState::kWarming:
      break;
    case VersionState::kPublished:
      metrics_.SetReembedProgress(1);
      LogInfo("left model for another one", {{"version", status.version}});
      break;
    case VersionState::kRetired:
      LogInfo("retired", {{"version", status.version}});
      break;
  }
}

void Server::Shutdown(absl::Duration drain) {
  stopping_ = true;
  if (grpc_ != nullptr) {
    health_.Stop();
    // They would last for ever.
    model_service_->StopWatches(std::min(drain, kWatchDrain));
    grpc_->Shutdown(absl::ToChronoTime(absl::Now() + drain));
  }
  // Calls that outlived the drain are cancelled by now; their work ends in this order.
  if (decode_pool_ != nullptr) decode_pool_->Stop();
  if (add_pool_ != nullptr) add_pool_->Stop();
  if (batcher_ != nullptr) batcher_->Stop();
  if (storage_pool_ != nullptr) storage_pool_->Stop();
  if (loader_ != nullptr) loader_->Stop();
  grpc_.reset();
  if (http_ != nullptr) http_->Stop();
}

}  // namespace

absl::StatusOr<std::unique_ptr<SearchServer>> SearchServer::Start(const ServerOptions& options) {
  auto server = std::make_unique<Server>(options);
  S2P_RETURN_IF_ERROR(server->Init());
  return std::unique_ptr<SearchServer>(std::move(server));
}

}  // namespace s2p

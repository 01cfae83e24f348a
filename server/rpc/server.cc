#include "server/rpc/server.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <map>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/hardware_threads.h"
#include "base/status_macros.h"
#include "base/steady_time.h"
#include "daemon/log.h"
#include "s2p/v1/feedback.grpc.pb.h"
#include "s2p/v1/gallery.grpc.pb.h"
#include "s2p/v1/model.grpc.pb.h"
#include "s2p/v1/search.grpc.pb.h"
#include "server/rpc/feedback_service.h"
#include "server/rpc/gallery_service.h"
#include "server/rpc/model_service.h"
#include "server/rpc/search_service.h"
#include "server/search/request_limits.h"

namespace s2p {
namespace {

// Adds mostly wait for the encoder: one thread for each photo of the largest useful batch.
constexpr int kAddThreads = 32;
// Photos that wait for one of these threads; a stream has at most 32 in progress.
constexpr int kMostWaitingAdds = 1024;
// Images that hang keep these threads, and no others.
constexpr int kThumbnailThreads = 2;
constexpr int kMostWaitingThumbnails = 1024;
// A drawing is decoded and written in milliseconds, and people confirm few.
constexpr int kFeedbackThreads = 2;
constexpr int kMostWaitingFeedback = 64;
// Writes of the data set of feedback serve all who wait for them, and last as long as a review has
// new matches. Neither those who review nor those who change photos keep the others waiting.
constexpr int kReviewThreads = 2;
constexpr int kChangeThreads = 2;
constexpr int kMostExports = 4;
constexpr int kStorageThreads = 4;
constexpr int kMostWaitingStorage = 1024;

// Warming up every size would take half a minute on a CPU. Kernels and memory are chosen by size,
// and a size between two of these has little left to warm.
std::vector<int> BatchSizes(int most) {
  std::vector<int> sizes;
  for (int size = 1; size < most; size *= 2) sizes.push_back(size);
  sizes.push_back(most);
  return sizes;
}

// The largest message that gRPC accepts. A photo that the limits allow always fits: gRPC refuses a
// larger message before a service sees it, and its RESOURCE_EXHAUSTED does not say which photo it
// was.
uint64_t MostMessageBytes(uint64_t wanted, const Limits& limits) {
  return std::min<uint64_t>(std::max(wanted, MostPhotoBytes(limits)),
                            std::numeric_limits<int>::max());
}

int DecodeThreads(const ServerOptions& options) {
  return options.decode_threads > 0 ? options.decode_threads : HardwareThreads();
}

// The memory for images of one kind of call.
int64_t ImageBytes(int64_t wanted, const Limits& limits) {
  return std::max(wanted, MostDecodeBytes(limits.image));
}

// Name what a call that waits for memory, or for a place, waits for.
constexpr char kImageMemory[] = "there was memory to decode its images";
constexpr char kPlace[] = "a processor was free to prepare its image";

// Photos can be listed and models pinned from the start; nothing can be searched before a model
// serves, and searching is what the server as a whole is for.
std::map<std::string, bool> FirstHealth(bool collects_feedback) {
  return {{kWholeServer, false},
          {v1::SearchService::service_full_name(), false},
          {v1::GalleryService::service_full_name(), true},
          {v1::ModelService::service_full_name(), true},
          {v1::FeedbackService::service_full_name(), collects_feedback}};
}

void LogJournal(const GalleryFindings& findings, const std::string& photos) {
  if (findings.journal_items_added > 0) {
    LogInfo("added items to the journal of the photos",
            {{"items", findings.journal_items_added}, {"folder", photos}});
  }
  if (findings.journal.torn_bytes > 0) {
    LogWarning("the end of the journal of the photos was half written",
               {{"bytes", findings.journal.torn_bytes}, {"folder", photos}});
  }
  for (const std::string& damaged : findings.journal.damaged) {
    LogError("the journal of the photos was damaged", {{"where", damaged}, {"folder", photos}});
  }
  if (!findings.journal_status.ok()) {
    LogError("the journal of the photos is not complete; the next start tries again",
             {{"reason", findings.journal_status}});
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<SearchServer>> SearchServer::Start(const ServerOptions& options) {
  std::unique_ptr<SearchServer> server(new SearchServer(options));
  S2P_RETURN_IF_ERROR(server->Init());
  return server;
}

SearchServer::SearchServer(const ServerOptions& options)
    : options_(options),
      metrics_(options.version),
      faults_(FaultOptions()),
      add_bytes_(options.max_add_bytes),
      photo_places_(options_.max_photos_sent),
      export_places_(kMostExports),
      search_memory_(ImageBytes(options.search_image_bytes, options.limits), kImageMemory),
      add_memory_(ImageBytes(options.add_image_bytes, options.limits), kImageMemory),
      thumbnail_memory_(ImageBytes(options.thumbnail_image_bytes, options.limits), kImageMemory),
      // Enough for the largest drawing.
      feedback_memory_(ImageBytes(0, options.limits), kImageMemory),
      add_places_(DecodeThreads(options), kPlace) {}

Faults::Options SearchServer::FaultOptions() {
  Faults::Options options;
  options.on_report = [this](FaultKind kind) { metrics_.CountFault(kind); };
  options.on_change = [this] {
    if (serving_calls_ && !stopping_) model_service_->Wake();
  };
  return options;
}

SearchServer::~SearchServer() { Shutdown(absl::ZeroDuration()); }

absl::Status SearchServer::Init() {
  // Everything that can be wrong with the options first, then the folder, then the ports.
  S2P_RETURN_IF_ERROR(MakeHost());
  S2P_RETURN_IF_ERROR(StartDecoders());
  S2P_RETURN_IF_ERROR(OpenGallery());
  S2P_RETURN_IF_ERROR(OpenFeedback());
  S2P_RETURN_IF_ERROR(MakeLoader());
  S2P_RETURN_IF_ERROR(StartPipeline());
  S2P_RETURN_IF_ERROR(StartServices());
  loader_->Start();
  return absl::OkStatus();
}

absl::Status SearchServer::MakeHost() {
  GrpcHostOptions host_options = options_.host;
  host_options.max_message_bytes =
      MostMessageBytes(host_options.max_message_bytes, options_.limits);
  host_options.access.hidden =
      HiddenFolders({{options_.checkpoint_root, "the store of versions"},
                     {options_.data_dir, "the data folder"},
                     {options_.feedback_data_set, "the data set of feedback"},
                     {options_.decoder_program, "the decoder of images"}});
  S2P_ASSIGN_OR_RETURN(
      host_, GrpcHost::Create(host_options, FirstHealth(options_.collect_feedback), &metrics_));
  return absl::OkStatus();
}

absl::Status SearchServer::StartDecoders() {
  const int threads = DecodeThreads(options_);
  S2P_ASSIGN_OR_RETURN(search_decoder_, MakeDecoder(threads));
  S2P_ASSIGN_OR_RETURN(gallery_decoder_, MakeDecoder(threads));
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<ImageDecoder>> SearchServer::MakeDecoder(int processes) {
  if (options_.decoder_program.empty()) return std::make_unique<InProcessDecoder>();
  DecoderPoolOptions pool;
  pool.process.program = options_.decoder_program;
  pool.process.memory_bytes = DecoderMemory(options_.limits.image);
  pool.process.max_decode_time = options_.max_decode_time;
  // Half of it is left for the last image.
  pool.process.cpu_time = std::max(pool.process.cpu_time, 2 * options_.max_decode_time);
  pool.processes = processes;
  pool.on_start = [this](const absl::Status& started) {
    if (!started.ok()) {
      faults_.Report(FaultKind::kDecoderFailed, "", "the decoder of images does not start",
                     started);
      return;
    }
    metrics_.CountDecoderStart();
    faults_.Resolve(FaultKind::kDecoderFailed);
  };
  pool.on_end = [this](DecoderEnd end) {
    metrics_.CountDecoderEnd(end);
    if (end == DecoderEnd::kCrashed || end == DecoderEnd::kMisbehaved) {
      LogWarning("an image ended its decoder", {{"program", options_.decoder_program}});
    }
    if (end == DecoderEnd::kStopped) {
      LogWarning("replaced a decoder that was stopped", {{"program", options_.decoder_program}});
    }
  };
  auto decoders = DecoderPool::Create(pool);
  if (decoders.ok()) return decoders;
  return absl::Status(
      decoders.status().code(),
      absl::StrCat(decoders.status().message(),
                   "; --decode-in-process starts without decoders, which leaves the "
                   "server unprotected from hostile images"));
}

absl::Status SearchServer::OpenGallery() {
  GalleryOptions gallery_options;
  gallery_options.data_dir = options_.data_dir;
  gallery_options.set_aside_orphans = options_.set_aside_orphans;
  gallery_options.on_open = [this](const GalleryFindings& findings) { OnGalleryOpen(findings); };
  gallery_options.min_free = options_.min_free;
  gallery_options.measure_disk = options_.measure_disk;
  gallery_options.faults = &faults_;
  gallery_options.keep_versions = options_.keep_versions;
  const auto decode = [this](absl::string_view bytes) -> absl::StatusOr<Image> {
    const CallLife life{SteadyTime::InfiniteFuture(), [this] { return stopping_.load(); }};
    auto image = gallery_decoder_->Decode(bytes, options_.limits.image, life);
    // The photo was decoded within the same time when it was added.
    if (IsTooSlow(image.status())) return absl::DeadlineExceededError(image.status().message());
    return image;
  };
  gallery_options.decode = decode;
  gallery_options.colours.decode = decode;
  gallery_options.colours.on_done = [](int64_t found, int64_t unreadable) {
    if (found + unreadable == 0) return;
    LogInfo("looked for the colours of photos", {{"found", found}, {"unreadable", unreadable}});
  };
  gallery_options.index.kind = options_.index;
  gallery_options.index.recall = options_.index_recall;
  gallery_options.index.interrupted = [this] { return stopping_.load(); };
  gallery_options.index.on_problem = [](const absl::Status& why) {
    LogWarning("trained index not used, or not kept", {{"reason", why}});
  };
  gallery_options.on_compaction = [](const absl::Status& status, absl::Duration took) {
    if (status.ok()) {
      LogInfo("compacted the gallery's index", {{"took", took}});
    } else {
      LogWarning("could not compact the gallery's index", {{"reason", status}});
    }
  };
  S2P_ASSIGN_OR_RETURN(gallery_, Gallery::Open(gallery_options, &slot_));
  return absl::OkStatus();
}

absl::Status SearchServer::OpenFeedback() {
  if (!options_.collect_feedback) {
    std::error_code ignored;
    const std::string file = FeedbackFileOf(options_.data_dir);
    if (std::filesystem::exists(file, ignored)) {
      LogInfo("feedback of an earlier start is kept; --collect-feedback shows it again",
              {{"file", file}});
      // A file that cannot be read is no reason not to search.
      WarnOfFormerDataSet(FeedbackDataSetOf(file).value_or(""));
    }
    return absl::OkStatus();
  }
  FeedbackOptions feedback;
  feedback.data_dir = options_.data_dir;
  feedback.data_set = options_.feedback_data_set;
  feedback.max_bytes = options_.max_feedback_bytes;
  feedback.min_free = options_.min_free;
  feedback.measure_disk = options_.measure_disk;
  feedback.faults = &faults_;
  S2P_ASSIGN_OR_RETURN(feedback_, FeedbackCollection::Open(feedback, gallery_.get()));
  const FeedbackTotals totals = feedback_->Totals();
  LogInfo("collects feedback", {{"pending", totals.pending},
                                {"accepted", totals.accepted},
                                {"rejected", totals.rejected},
                                {"bytes", totals.bytes},
                                {"dataset", options_.feedback_data_set},
                                {"pairs", feedback_->pairs()}});
  return absl::OkStatus();
}

absl::Status SearchServer::MakeLoader() {
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
  // The loader starts after the service exists and ends before it.
  loader_options.on_status = [this] { model_service_->Wake(); };
  loader_options.on_store = [this](const absl::Status& status) { OnStore(status); };
  loader_options.on_incomplete = [](int64_t version, const absl::Status& why) {
    LogInfo("a model is not whole yet, waiting for its files",
            {{"version", version}, {"reason", why}});
  };
  loader_options.on_left_out = [this](const std::string& photo_id, const absl::Status& why) {
    metrics_.CountLeftOut(absl::IsDeadlineExceeded(why) ? "too_slow" : "damaged");
    LogWarning("left a photo out of the gallery", {{"photo_id", photo_id}, {"reason", why}});
  };
  S2P_ASSIGN_OR_RETURN(loader_, SnapshotLoader::Create(std::move(loader_options), gallery_.get()));
  return absl::OkStatus();
}

void SearchServer::OnGalleryOpen(const GalleryFindings& findings) {
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
    const std::string message =
        absl::StrCat(findings.missing, " photos were missing at the start of the server");
    const absl::Status reason = absl::DataLossError(absl::StrCat(photos, ": ", message));
    for (const std::string& sha256 : findings.missing_digests) {
      faults_.Report(FaultKind::kPhotoMissing, sha256, message, reason);
    }
  }
  if (findings.deletions_finished > 0) {
    LogInfo("finished deletions that a crash had interrupted",
            {{"photos", findings.deletions_finished}});
  }
  LogJournal(findings, photos);
}

void SearchServer::OnStore(const absl::Status& status) {
  if (status.ok()) return faults_.Resolve(FaultKind::kStoreUnreadable);
  faults_.Report(FaultKind::kStoreUnreadable, "",
                 absl::IsNotFound(status) ? "the store of versions is missing"
                                          : "the store of versions cannot be read",
                 status);
}

absl::Status SearchServer::StartPipeline() {
  BatcherOptions batcher_options = options_.batcher;
  batcher_options.on_batch = [this](const BatchReport& report) {
    if (report.images > 0) {
      metrics_.ObserveBatch(report.images);
      // Images that came preprocessed only had to be normalised.
      metrics_.ObserveStage(Stage::kEncode, report.preprocess_time + report.encode_time);
    }
    if (report.queries > 0) metrics_.ObserveStage(Stage::kSearch, report.search_time);
  };
  S2P_ASSIGN_OR_RETURN(batcher_, Batcher::Create(batcher_options, &slot_));
  decode_pool_ = std::make_unique<WorkerPool>(DecodeThreads(options_), options_.batcher.max_queue);
  add_pool_ = std::make_unique<WorkerPool>(kAddThreads, kMostWaitingAdds);
  thumbnail_pool_ = std::make_unique<WorkerPool>(kThumbnailThreads, kMostWaitingThumbnails);
  feedback_pool_ = std::make_unique<WorkerPool>(kFeedbackThreads, kMostWaitingFeedback);
  review_pool_ = std::make_unique<WorkerPool>(kReviewThreads, kMostWaitingStorage);
  change_pool_ = std::make_unique<WorkerPool>(kChangeThreads, kMostWaitingStorage);
  storage_pool_ = std::make_unique<WorkerPool>(kStorageThreads, kMostWaitingStorage);

  context_.limits = options_.limits;
  context_.max_message_bytes = MostMessageBytes(options_.host.max_message_bytes, options_.limits);
  context_.limits.max_decode_bytes = search_memory_.total();
  context_.gate = host_->gate();
  context_.slot = &slot_;
  context_.gallery = gallery_.get();
  context_.loader = loader_.get();
  context_.batcher = batcher_.get();
  context_.metrics = &metrics_;
  context_.faults = &faults_;
  context_.feedback = feedback_.get();
  context_.add_bytes = &add_bytes_;
  context_.photo_places = &photo_places_;
  context_.export_places = &export_places_;
  context_.search_decoding = {search_decoder_.get(), &search_memory_};
  context_.add_decoding = {gallery_decoder_.get(), &add_memory_, &add_places_};
  context_.thumbnail_decoding = {gallery_decoder_.get(), &thumbnail_memory_};
  context_.feedback_decoding = {gallery_decoder_.get(), &feedback_memory_};
  context_.decode_pool = decode_pool_.get();
  context_.add_pool = add_pool_.get();
  context_.thumbnail_pool = thumbnail_pool_.get();
  context_.feedback_pool = feedback_pool_.get();
  context_.review_pool = review_pool_.get();
  context_.change_pool = change_pool_.get();
  context_.storage_pool = storage_pool_.get();
  return absl::OkStatus();
}

absl::Status SearchServer::StartServices() {
  search_ = std::make_unique<SearchServiceImpl>(&context_);
  gallery_service_ = std::make_unique<GalleryServiceImpl>(&context_);
  model_service_ = std::make_unique<ModelServiceImpl>(&context_);
  feedback_service_ = std::make_unique<FeedbackServiceImpl>(&context_);
  serving_calls_ = true;
  const auto metrics = [this] {
    const GalleryTotals totals = gallery_->Totals();
    metrics_.SetGalleryPhotos(totals.photos + totals.sketches);
    metrics_.SetUncolouredPhotos(gallery_->CountWithoutColours());
    metrics_.SetQueueDepth(batcher_->queue_depth());
    if (feedback_ != nullptr) metrics_.SetFeedback(feedback_->Totals(), feedback_->pairs());
    MeasureDisk();
    return metrics_.Text();
  };
  return host_->Start(
      {search_.get(), gallery_service_.get(), model_service_.get(), feedback_service_.get()},
      metrics, [this] { return ready(); });
}

void SearchServer::MeasureDisk() {
  metrics_.MeasureDisk(options_.data_dir);
  const auto disk =
      options_.measure_disk ? options_.measure_disk() : MeasureDiskSpace(options_.data_dir);
  if (!disk.ok()) return;
  metrics_.SetDiskReserve(DiskReserve(options_.min_free, nullptr).BytesOf(*disk));
}

void SearchServer::OnVersionChange(const VersionStatus& status) {
  switch (status.state) {
    case VersionState::kLoading:
      load_start_ = SteadyTime::Now();
      LogInfo("loading model", {{"version", status.version}});
      break;
    case VersionState::kEmbedding:
      metrics_.SetReembedProgress(status.progress);
      break;
    case VersionState::kServing:
      OnServing(status);
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
      LogInfo("abandoned model for another one", {{"version", status.version}});
      break;
    case VersionState::kRetired:
      LogInfo("retired", {{"version", status.version}});
      break;
  }
}

void SearchServer::OnServing(const VersionStatus& status) {
  const absl::Duration took = SteadyTime::Now() - load_start_;
  metrics_.SetReembedProgress(1);
  metrics_.SetModelVersion(status.version);
  metrics_.CountModelLoad("ok");
  metrics_.ObserveModelSwap(took);
  host_->SetServing(kWholeServer, true);
  host_->SetServing(v1::SearchService::service_full_name(), true);
  const auto snapshot = slot_.Get();
  if (snapshot == nullptr) return;
  metrics_.SetModelPrecision(snapshot->encoder->precision_choice().precision);
  metrics_.SetDeviceMemory(snapshot->encoder->device_memory_bytes());
  LogInfo("serving", {{"version", status.version},
                      {"took", took},
                      {"device", snapshot->encoder->device()},
                      {"encoder", snapshot->encoder->description()},
                      {"photos", snapshot->gallery->size()},
                      {"index", snapshot->gallery->index_kind()},
                      {"index_recall", absl::StrCat(snapshot->gallery->index_recall())}});
}

void SearchServer::StopServing() {
  retired_ = true;
  if (host_ != nullptr) host_->StopServing();
}

void SearchServer::Shutdown(absl::Duration drain) {
  retired_ = true;
  stopping_ = true;
  if (host_ == nullptr) return;
  CallsEnd end;
  end.stop_streams = [this](absl::Duration grace) {
    if (model_service_ != nullptr) model_service_->StopWatches(grace);
  };
  end.abandon = [this] {
    for (const auto* pool : {&decode_pool_, &add_pool_, &thumbnail_pool_, &feedback_pool_,
                             &review_pool_, &change_pool_, &storage_pool_}) {
      if (*pool != nullptr) (*pool)->Close();
    }
  };
  host_->EndCalls(drain, end);
  // All calls have ended; the work that some of them left behind ends in this order.
  if (decode_pool_ != nullptr) decode_pool_->Stop();
  if (add_pool_ != nullptr) add_pool_->Stop();
  if (thumbnail_pool_ != nullptr) thumbnail_pool_->Stop();
  if (feedback_pool_ != nullptr) feedback_pool_->Stop();
  if (review_pool_ != nullptr) review_pool_->Stop();
  if (change_pool_ != nullptr) change_pool_->Stop();
  if (batcher_ != nullptr) batcher_->Stop();
  if (storage_pool_ != nullptr) storage_pool_->Stop();
  if (loader_ != nullptr) loader_->Stop();
  host_->Close();
}

}  // namespace s2p

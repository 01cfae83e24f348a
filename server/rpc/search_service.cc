#include "server/rpc/search_service.h"

#include <atomic>
#include <utility>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "server/search/query.h"

namespace s2p {
namespace {

constexpr char kMethod[] = "Search";

void SetDuration(absl::Duration duration, google::protobuf::Duration* proto) {
  const int64_t nanoseconds = absl::ToInt64Nanoseconds(duration);
  proto->set_seconds(nanoseconds / 1'000'000'000);
  proto->set_nanos(static_cast<int32_t>(nanoseconds % 1'000'000'000));
}

void AddAttributes(const std::vector<std::string>& names, absl::Span<const float> scores,
                   google::protobuf::RepeatedPtrField<v1::AttributeScore>* out) {
  for (size_t i = 0; i < names.size() && i < scores.size(); ++i) {
    v1::AttributeScore& attribute = *out->Add();
    attribute.set_name(names[i]);
    attribute.set_score(scores[i]);
  }
}

// One call, from its begin until gRPC is done with it. Its steps follow one another, each on its
// own thread; only `cancelled_` is touched by two at once.
class SearchCall : public grpc::ServerUnaryReactor {
 public:
  SearchCall(const ServiceContext& service, grpc::CallbackServerContext* context,
             const v1::SearchRequest* request, v1::SearchResponse* response)
      : service_(service),
        context_(context),
        request_(request),
        response_(response),
        record_{kMethod, absl::Now(), false, SearchRecord()},
        deadline_(DeadlineOf(*context, record_.begin + service.limits.default_deadline)) {}

  void Start() {
    absl::Status status = Admit(service_, *context_);
    if (status.ok()) status = Check();
    if (!status.ok()) return End(status);
    status = service_.decode_pool->Submit([this] { Decode(); });
    if (!status.ok()) Refuse(status, Rejection::kBusy);
  }
  void OnCancel() override { cancelled_.store(true, std::memory_order_relaxed); }
  void OnDone() override { delete this; }

 private:
  static absl::Time DeadlineOf(const grpc::CallbackServerContext& context, absl::Time fallback) {
    const auto deadline = context.deadline();
    if (deadline == std::chrono::system_clock::time_point::max()) return fallback;
    return absl::FromChrono(deadline);
  }

  bool is_cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

  absl::Status Check() {
    S2P_ASSIGN_OR_RETURN(query_, ParseQuery(*request_, service_.limits));
    record_.search->top_k = query_.search.top_k;
    record_.search->filtered = !query_.search.filter.empty();
    if (service_.slot->Get() == nullptr) return absl::UnavailableError("no model serves yet");
    return absl::OkStatus();
  }

  // On the decode pool.
  void Decode() {
    if (is_cancelled()) return End(absl::CancelledError("cancelled"));
    if (absl::Now() >= deadline_) {
      return End(absl::DeadlineExceededError("the deadline passed before the image was decoded"));
    }
    if (query_.pixels > 0) share_ = service_.pixels->Take(query_.pixels);
    const absl::Time begin = absl::Now();
    auto images = DecodeExamples(query_, service_.limits);
    queued_ = absl::Now();
    record_.search->decode = queued_ - begin;
    service_.metrics->ObserveStage(Stage::kDecode, record_.search->decode);
    if (!images.ok()) return End(images.status());
    BatchRequest request;
    request.images = *std::move(images);
    for (const QueryExample& example : query_.examples) {
      if (example.is_drawn()) request.modalities.push_back(example.modality);
    }
    request.deadline = deadline_;
    request.cancelled = [this] { return is_cancelled(); };
    request.query = [this](const EmbeddingMatrix& drawn, const GalleryView& gallery) {
      return FuseExamples(query_, drawn, gallery);
    };
    request.search = query_.search;
    request.done = [this](absl::StatusOr<BatchResult> result) { Answer(std::move(result)); };
    record_.search->images = static_cast<int>(request.images.size());
    absl::Status status = service_.batcher->Submit(std::move(request));
    if (!status.ok()) Refuse(status, Rejection::kQueueFull);
  }

  // Of a pool or a queue that did not take it.
  void Refuse(const absl::Status& status, Rejection reason) {
    if (absl::IsResourceExhausted(status)) service_.metrics->CountRejected(reason);
    End(status);
  }

  // On the batch thread.
  void Answer(absl::StatusOr<BatchResult> result) {
    share_.reset();
    // What failed has waited, too; leaving it out would make a full queue look short.
    record_.search->queue = result.ok() ? result->queue_time : absl::Now() - queued_;
    service_.metrics->ObserveStage(Stage::kQueue, record_.search->queue);
    if (!result.ok()) return End(result.status());
    FillResponse(*result);
    Observe(*result);
    End(absl::OkStatus());
  }

  void FillResponse(const BatchResult& result) {
    const GalleryView& gallery = *result.snapshot->gallery;
    uint32_t rank = 0;
    for (const GalleryMatch& match : result.matches) {
      v1::Match& out = *response_->add_matches();
      out.set_photo_id(match.item->photo_id);
      out.set_score(match.score);
      out.set_rank(++rank);
      out.mutable_metadata()->insert(match.item->metadata.begin(), match.item->metadata.end());
      if (query_.with_attributes) {
        AddAttributes(gallery.attributes(), match.attributes, out.mutable_attributes());
      }
    }
    response_->set_model_version(result.snapshot->version);
    if (query_.with_attributes && result.encoding.attributes.rows() > 0) {
      AddAttributes(gallery.attributes(), result.encoding.attributes.row(0),
                    response_->mutable_query_attributes());
    }
  }

  void Observe(const BatchResult& result) {
    SearchRecord& record = *record_.search;
    record.preprocess = result.encoding.preprocess_time;
    record.encode = result.encoding.encode_time;
    record.search = result.search_time;
    record.model_version = result.snapshot->version;
    v1::Timings& timings = *response_->mutable_timings();
    SetDuration(record.decode, timings.mutable_decode());
    SetDuration(record.queue, timings.mutable_queue());
    SetDuration(record.preprocess, timings.mutable_preprocess());
    SetDuration(record.encode, timings.mutable_encode());
    SetDuration(record.search, timings.mutable_search());
    SetDuration(absl::Now() - record_.begin, timings.mutable_total());
  }

  void End(const absl::Status& status) {
    share_.reset();
    if (absl::IsDeadlineExceeded(status)) service_.metrics->CountRejected(Rejection::kDeadline);
    if (absl::IsCancelled(status)) service_.metrics->CountRejected(Rejection::kCancelled);
    service_.metrics->SetQueueDepth(service_.batcher->queue_depth());
    Finish(EndCall(service_, *context_, record_, status));
  }

  const ServiceContext& service_;
  grpc::CallbackServerContext* const context_;
  const v1::SearchRequest* const request_;
  v1::SearchResponse* const response_;
  CallRecord record_;
  const absl::Time deadline_;
  std::atomic<bool> cancelled_{false};
  Query query_;
  absl::Time queued_;
  PixelBudget::Share share_;
};

}  // namespace

grpc::ServerUnaryReactor* SearchServiceImpl::Search(grpc::CallbackServerContext* context,
                                                    const v1::SearchRequest* request,
                                                    v1::SearchResponse* response) {
  auto* call = new SearchCall(service_, context, request, response);
  call->Start();
  return call;
}

}  // namespace s2p

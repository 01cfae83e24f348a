#include "server/rpc/search_service.h"

#include <atomic>
#include <utility>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "server/rpc/to_proto.h"
#include "server/search/query.h"

namespace s2p {
namespace {

void AddAttributes(const std::vector<std::string>& names, absl::Span<const float> scores,
                   google::protobuf::RepeatedPtrField<v1::AttributeScore>* out) {
  for (size_t i = 0; i < names.size() && i < scores.size(); ++i) {
    v1::AttributeScore& attribute = *out->Add();
    attribute.set_name(names[i]);
    attribute.set_score(scores[i]);
  }
}

// The cost of a search, for the log. A step that it did not reach is zero.
struct SearchRecord {
  // Preprocess, encode and search are the whole batch's. In a search that failed, queue is all the
  // time after decode.
  absl::Duration decode, queue, preprocess, encode, search;
  int images = 0;
  int top_k = 0;
  bool filtered = false;
  int64_t model_version = 0;

  std::vector<LogField> Fields() const {
    return {{"decode", decode}, {"queue", queue},       {"preprocess", preprocess},
            {"encode", encode}, {"search", search},     {"images", images},
            {"top_k", top_k},   {"filtered", filtered}, {"version", model_version}};
  }
};

// One call, from start until gRPC is done with it. Its steps follow one another, each on its own
// thread; only `cancelled_` is touched by two at once.
class SearchCall : public grpc::ServerUnaryReactor {
 public:
  SearchCall(const ServiceContext& service, grpc::CallbackServerContext* context,
             const v1::SearchRequest* request, v1::SearchResponse* response)
      : service_(service),
        context_(context),
        request_(request),
        response_(response),
        call_{"Search", absl::Now(), /*is_stream=*/false, [this] { return record_.Fields(); }},
        deadline_(DeadlineOf(*context, call_.start + service.limits.default_deadline)) {}

  void Start() {
    absl::Status status = service_.gate->Admit(*context_);
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
    record_.top_k = query_.search.top_k;
    record_.filtered = !query_.search.filter.empty();
    if (service_.slot->Get() == nullptr) return absl::UnavailableError("no model serves yet");
    return absl::OkStatus();
  }

  // Runs on the decode pool.
  void Decode() {
    if (is_cancelled()) return End(absl::CancelledError("cancelled"));
    if (absl::Now() >= deadline_) {
      return End(absl::DeadlineExceededError("the deadline passed before the image was decoded"));
    }
    if (query_.pixels > 0) share_ = service_.pixels->Take(query_.pixels);
    const absl::Time start = absl::Now();
    auto images = DecodeExamples(query_, service_.limits);
    queued_ = absl::Now();
    record_.decode = queued_ - start;
    service_.metrics->ObserveStage(Stage::kDecode, record_.decode);
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
    record_.images = static_cast<int>(request.images.size());
    absl::Status status = service_.batcher->Submit(std::move(request));
    if (!status.ok()) Refuse(status, Rejection::kQueueFull);
  }

  // Ends a call that a pool or a queue rejected.
  void Refuse(const absl::Status& status, Rejection reason) {
    if (absl::IsResourceExhausted(status)) service_.metrics->CountRejected(reason);
    End(status);
  }

  // Runs on the batch thread.
  void Answer(absl::StatusOr<BatchResult> result) {
    share_.reset();
    // A search that failed has waited, too; without it a full queue would look short.
    record_.queue = result.ok() ? result->queue_time : absl::Now() - queued_;
    service_.metrics->ObserveStage(Stage::kQueue, record_.queue);
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
    record_.preprocess = result.encoding.preprocess_time;
    record_.encode = result.encoding.encode_time;
    record_.search = result.search_time;
    record_.model_version = result.snapshot->version;
    v1::Timings& timings = *response_->mutable_timings();
    *timings.mutable_decode() = ToProto(record_.decode);
    *timings.mutable_queue() = ToProto(record_.queue);
    *timings.mutable_preprocess() = ToProto(record_.preprocess);
    *timings.mutable_encode() = ToProto(record_.encode);
    *timings.mutable_search() = ToProto(record_.search);
    *timings.mutable_total() = ToProto(absl::Now() - call_.start);
  }

  void End(const absl::Status& status) {
    share_.reset();
    if (absl::IsDeadlineExceeded(status)) service_.metrics->CountRejected(Rejection::kDeadline);
    if (absl::IsCancelled(status)) service_.metrics->CountRejected(Rejection::kCancelled);
    service_.metrics->SetQueueDepth(service_.batcher->queue_depth());
    Finish(service_.gate->End(call_, status, *context_));
  }

  const ServiceContext& service_;
  grpc::CallbackServerContext* const context_;
  const v1::SearchRequest* const request_;
  v1::SearchResponse* const response_;
  const CallRecord call_;
  SearchRecord record_;
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

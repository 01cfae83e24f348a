#include "server/rpc/search_service.h"

#include <memory>
#include <utility>

#include "base/status_macros.h"
#include "base/steady_time.h"
#include "s2p/v1/search.grpc.pb.h"
#include "server/rpc/to_proto.h"
#include "server/search/query.h"
#include "server/search/request_limits.h"

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
  // Preprocess is the search's own. Encode and search are the whole batch's; encode includes making
  // the network's input. In a search that failed, queue is all the time after its preprocessing.
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

using Call = UnaryCall<v1::SearchRequest, v1::SearchResponse>;

// The work of one call, until its answer. Its steps follow one another, each on its own thread.
class Searching {
 public:
  Searching(const ServiceContext& service, Call* call) : service_(service), call_(*call) {
    call_.SetDetails([record = record_] { return record->Fields(); });
  }

  void Start() {
    absl::Status status = Check();
    if (!status.ok()) return End(status);
    status = service_.decode_pool->Submit(call_.queue(), [this](const absl::Status& turn) {
      if (!turn.ok()) return End(turn);
      Decode();
    });
    if (!status.ok()) Refuse(status, Rejection::kBusy);
  }

 private:
  absl::Status Check() {
    S2P_ASSIGN_OR_RETURN(query_, ParseQuery(call_.request(), service_.limits));
    record_->top_k = query_.search.top_k;
    record_->filtered = !query_.search.filter.empty();
    if (service_.slot->Get() == nullptr) return absl::UnavailableError("no model serves yet");
    return absl::OkStatus();
  }

  // Runs on the decode pool.
  void Decode() {
    const CallLife life{call_.deadline(), [this] { return call_.is_cancelled(); }};
    absl::Status wanted = life.Check("the image was decoded");
    if (wanted.ok()) wanted = TakeMemory(life);
    if (!wanted.ok()) return End(wanted);
    const SteadyTime start = SteadyTime::Now();
    auto images = DecodeExamples(query_, service_.limits, *service_.search_decoding.decoder, life);
    queued_ = SteadyTime::Now();
    record_->decode = queued_ - start;
    service_.metrics->ObserveStage(Stage::kDecode, record_->decode);
    if (!images.ok()) return End(images.status());
    BatchRequest request = RequestFor(*std::move(images));
    absl::Status status = service_.batcher->CheckRoom(request);
    if (!status.ok()) return Refuse(status, Rejection::kQueueFull);
    status = Preprocess(request);
    if (!status.ok()) return End(status);
    status = service_.batcher->Submit(std::move(request));
    if (!status.ok()) Refuse(status, Rejection::kQueueFull);
  }

  BatchRequest RequestFor(std::vector<Image> images) {
    BatchRequest request;
    request.caller = call_.queue();
    request.images = std::move(images);
    for (const QueryExample& example : query_.examples) {
      if (example.is_drawn()) request.modalities.push_back(example.modality);
    }
    request.deadline = call_.deadline();
    request.cancelled = [this] { return call_.is_cancelled(); };
    request.query = [this](const EmbeddingMatrix& drawn, const GalleryView& gallery) {
      return FuseExamples(query_, drawn, gallery);
    };
    request.search = query_.search;
    request.done = [this](absl::StatusOr<BatchResult> result) { Answer(std::move(result)); };
    record_->images = static_cast<int>(request.images.size());
    return request;
  }

  // The memory for decoding stays taken meanwhile, since preprocessing needs some, too.
  absl::Status Preprocess(BatchRequest& request) {
    S2P_RETURN_IF_ERROR(PreprocessImages(*service_.slot, request));
    // Small images take more than they were counted for, by the network's input at most.
    memory_.Shrink(PixelBytes(request));
    const SteadyTime preprocessed = SteadyTime::Now();
    record_->preprocess = preprocessed - queued_;
    queued_ = preprocessed;
    service_.metrics->ObserveStage(Stage::kPreprocess, record_->preprocess);
    return absl::OkStatus();
  }

  absl::Status TakeMemory(const CallLife& life) {
    if (query_.decode_bytes == 0) return absl::OkStatus();
    S2P_ASSIGN_OR_RETURN(memory_, service_.search_decoding.memory->Take(query_.decode_bytes, life));
    return absl::OkStatus();
  }

  // Ends a call that a pool or a queue rejected.
  void Refuse(const absl::Status& status, Rejection reason) {
    if (absl::IsResourceExhausted(status)) service_.metrics->CountRejected(reason);
    End(status);
  }

  // Runs on a thread of the batcher.
  void Answer(absl::StatusOr<BatchResult> result) {
    memory_.Shrink(0);
    // A search that failed has waited, too; without it a full queue would look short.
    record_->queue = result.ok() ? result->queue_time : SteadyTime::Now() - queued_;
    service_.metrics->ObserveStage(Stage::kQueue, record_->queue);
    if (!result.ok()) return End(result.status());
    FillResponse(*result);
    Observe(*result);
    End(absl::OkStatus());
  }

  void FillResponse(const BatchResult& result) {
    const GalleryView& gallery = *result.snapshot->gallery;
    uint32_t rank = 0;
    for (const GalleryMatch& match : result.matches) {
      v1::Match& out = *call_.response()->add_matches();
      out.set_photo_id(match.item->photo_id);
      out.set_score(match.score);
      out.set_rank(++rank);
      out.set_color_score(match.colour_score);
      out.mutable_metadata()->insert(match.item->metadata.begin(), match.item->metadata.end());
      if (query_.with_attributes) {
        AddAttributes(gallery.attributes(), match.attributes, out.mutable_attributes());
      }
    }
    call_.response()->set_model_version(result.snapshot->version);
    if (query_.with_attributes && result.encoding.attributes.rows() > 0) {
      AddAttributes(gallery.attributes(), result.encoding.attributes.row(0),
                    call_.response()->mutable_query_attributes());
    }
  }

  void Observe(const BatchResult& result) {
    // The metric of this stage has the same sum.
    record_->encode = result.encoding.preprocess_time + result.encoding.encode_time;
    record_->search = result.search_time;
    record_->model_version = result.snapshot->version;
    v1::Timings& timings = *call_.response()->mutable_timings();
    *timings.mutable_decode() = ToProto(record_->decode);
    *timings.mutable_queue() = ToProto(record_->queue);
    *timings.mutable_preprocess() = ToProto(record_->preprocess);
    *timings.mutable_encode() = ToProto(record_->encode);
    *timings.mutable_search() = ToProto(record_->search);
    *timings.mutable_total() = ToProto(SteadyTime::Now() - call_.start());
  }

  void End(const absl::Status& status) {
    memory_.Shrink(0);
    if (absl::IsDeadlineExceeded(status)) service_.metrics->CountRejected(Rejection::kDeadline);
    if (absl::IsCancelled(status)) service_.metrics->CountRejected(Rejection::kCancelled);
    service_.metrics->SetQueueDepth(service_.batcher->queue_depth());
    call_.Answer(status);
    delete this;
  }

  const ServiceContext& service_;
  Call& call_;
  // The call's, too, which is logged when it is answered.
  const std::shared_ptr<SearchRecord> record_ = std::make_shared<SearchRecord>();
  Query query_;
  SteadyTime queued_;
  Budget::Share memory_;
};

}  // namespace

SearchServiceImpl::SearchServiceImpl(const ServiceContext* service)
    : RpcService(v1::SearchService::service_full_name(), service->gate), service_(*service) {
  CallCost cost;
  cost.max_message_bytes = service_.max_message_bytes;
  cost.fields = SearchFields(service_.limits);
  cost.default_deadline = service_.limits.default_deadline;
  AddUnary<v1::SearchRequest, v1::SearchResponse>("Search", cost, [this](Call* call) {
    // Deletes itself with its answer.
    (new Searching(service_, call))->Start();
  });
}

}  // namespace s2p

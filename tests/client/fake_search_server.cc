#include "tests/client/fake_search_server.h"

#include <grpcpp/grpcpp.h>
#include <openssl/sha.h>

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "s2p/v1/gallery.grpc.pb.h"
#include "s2p/v1/model.grpc.pb.h"
#include "s2p/v1/search.grpc.pb.h"
#include "tests/client/fake_calls.h"

namespace s2p::test {
namespace {

std::string HexSha256(const std::string& bytes) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest);
  return absl::BytesToHexString({reinterpret_cast<const char*>(digest), sizeof(digest)});
}

struct StoredPhoto {
  v1::Photo photo;
  std::string image;
};

// The state that the services share.
struct State {
  FakeCalls calls;
  mutable absl::Mutex mutex;
  std::map<std::string, StoredPhoto> photos ABSL_GUARDED_BY(mutex);
  v1::SearchRequest last_search ABSL_GUARDED_BY(mutex);
  std::deque<int> break_after ABSL_GUARDED_BY(mutex);
  absl::Status refusal ABSL_GUARDED_BY(mutex);
  int refuse_after ABSL_GUARDED_BY(mutex) = 0;
  int streams ABSL_GUARDED_BY(mutex) = 0;
  // 0 if none is pinned.
  int64_t pin ABSL_GUARDED_BY(mutex) = 0;
  std::deque<std::vector<v1::GetModelStatusResponse>> watches ABSL_GUARDED_BY(mutex);
};

class FakeSearch : public v1::SearchService::Service {
 public:
  explicit FakeSearch(State& state) : state_(state) {}
  grpc::Status Search(grpc::ServerContext* context, const v1::SearchRequest* request,
                      v1::SearchResponse* response) override {
    if (const grpc::Status status = state_.calls.Admit(*context); !status.ok()) return status;
    absl::MutexLock lock(&state_.mutex);
    state_.last_search = *request;
    for (const bool equal : {true, false}) {
      for (const auto& [id, stored] : state_.photos) {
        if ((stored.image == request->examples(0).image()) != equal) continue;
        if (static_cast<uint32_t>(response->matches_size()) == request->top_k()) break;
        v1::Match& match = *response->add_matches();
        match.set_photo_id(id);
        match.set_rank(static_cast<uint32_t>(response->matches_size()));
        match.set_score(equal ? 1.0F : 0.5F / static_cast<float>(match.rank()));
        *match.mutable_metadata() = stored.photo.metadata();
      }
    }
    response->set_model_version(7);
    return grpc::Status::OK;
  }

 private:
  State& state_;
};

class FakeGallery : public v1::GalleryService::Service {
 public:
  explicit FakeGallery(State& state) : state_(state) {}

  grpc::Status AddPhotos(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<v1::AddPhotoResponse, v1::AddPhotoRequest>* stream) override {
    if (const grpc::Status status = state_.calls.Admit(*context); !status.ok()) return status;
    int break_after = -1;
    {
      absl::MutexLock lock(&state_.mutex);
      ++state_.streams;
      if (!state_.break_after.empty()) {
        break_after = state_.break_after.front();
        state_.break_after.pop_front();
      }
    }
    v1::AddPhotoRequest request;
    for (int answers = 0; stream->Read(&request); ++answers) {
      if (answers == break_after) return {grpc::StatusCode::UNAVAILABLE, "going away"};
      if (request.image() == "garbled") {
        return {grpc::StatusCode::INVALID_ARGUMENT,
                absl::StrCat("message ", answers + 1, " cannot be read")};
      }
      const absl::Status refusal = TakeRefusal();
      if (refusal.ok()) {
        stream->Write(Add(request));
        continue;
      }
      v1::AddPhotoResponse response;
      response.set_photo_id(request.photo_id());
      response.mutable_status()->set_code(static_cast<int>(refusal.code()));
      response.mutable_status()->set_message(std::string(refusal.message()));
      stream->Write(response);
    }
    return grpc::Status::OK;
  }

  grpc::Status DeletePhotos(grpc::ServerContext* context, const v1::DeletePhotosRequest* request,
                            v1::DeletePhotosResponse* response) override {
    if (const grpc::Status status = state_.calls.Admit(*context); !status.ok()) return status;
    absl::MutexLock lock(&state_.mutex);
    for (const std::string& id : request->photo_ids()) {
      if (state_.photos.erase(id) > 0) {
        response->set_deleted_count(response->deleted_count() + 1);
      } else {
        response->add_missing_photo_ids(id);
      }
    }
    return grpc::Status::OK;
  }

  grpc::Status GetPhoto(grpc::ServerContext* context, const v1::GetPhotoRequest* request,
                        grpc::ServerWriter<v1::GetPhotoResponse>* writer) override {
    if (const grpc::Status status = state_.calls.Admit(*context); !status.ok()) return status;
    absl::MutexLock lock(&state_.mutex);
    const auto found = state_.photos.find(request->photo_id());
    if (found == state_.photos.end()) return {grpc::StatusCode::NOT_FOUND, "photo_id: unknown"};
    v1::GetPhotoResponse response;
    *response.mutable_photo() = found->second.photo;
    writer->Write(response);
    response.clear_photo();
    if (request->rendition() == v1::RENDITION_NONE || request->rendition() == 0) {
      return grpc::Status::OK;
    }
    const size_t half = found->second.image.size() / 2;
    for (const std::string& chunk :
         {found->second.image.substr(0, half), found->second.image.substr(half)}) {
      response.set_chunk(chunk);
      writer->Write(response);
    }
    return grpc::Status::OK;
  }

  grpc::Status ListPhotos(grpc::ServerContext* context, const v1::ListPhotosRequest* request,
                          v1::ListPhotosResponse* response) override {
    if (const grpc::Status status = state_.calls.Admit(*context); !status.ok()) return status;
    // Pages are short, whatever size is requested, so that the client has to fetch several.
    constexpr int kPage = 2;
    absl::MutexLock lock(&state_.mutex);
    auto it = state_.photos.upper_bound(request->page_token());
    for (; it != state_.photos.end() && response->photos_size() < kPage; ++it) {
      *response->add_photos() = it->second.photo;
    }
    if (it != state_.photos.end()) {
      response->set_next_page_token(response->photos(kPage - 1).photo_id());
    }
    return grpc::Status::OK;
  }

  grpc::Status GetGalleryStats(grpc::ServerContext* context, const v1::GetGalleryStatsRequest*,
                               v1::GetGalleryStatsResponse* response) override {
    if (const grpc::Status status = state_.calls.Admit(*context); !status.ok()) return status;
    absl::MutexLock lock(&state_.mutex);
    response->set_photo_count(state_.photos.size());
    return grpc::Status::OK;
  }

 private:
  // The error with which to answer the next photo; ok to answer as usual.
  absl::Status TakeRefusal() {
    absl::MutexLock lock(&state_.mutex);
    if (state_.refusal.ok() || state_.refuse_after-- > 0) return absl::OkStatus();
    return std::exchange(state_.refusal, absl::OkStatus());
  }
  // A photo of the bytes "bad" is refused.
  v1::AddPhotoResponse Add(const v1::AddPhotoRequest& request) {
    v1::AddPhotoResponse response;
    response.set_photo_id(request.photo_id());
    if (request.image() == "bad") {
      response.mutable_status()->set_code(grpc::StatusCode::INVALID_ARGUMENT);
      response.mutable_status()->set_message("image: not an image");
      return response;
    }
    StoredPhoto stored;
    stored.photo.set_photo_id(request.photo_id());
    stored.photo.set_modality(request.modality());
    *stored.photo.mutable_metadata() = request.metadata();
    stored.image = request.image();
    stored.photo.set_sha256(HexSha256(stored.image));
    stored.photo.set_bytes(stored.image.size());
    absl::MutexLock lock(&state_.mutex);
    const bool added = state_.photos.insert_or_assign(request.photo_id(), stored).second;
    response.set_result(added ? v1::AddPhotoResponse::RESULT_ADDED
                              : v1::AddPhotoResponse::RESULT_UNCHANGED);
    return response;
  }

  State& state_;
};

// Version 7 serves, 8 is damaged.
class FakeModel : public v1::ModelService::Service {
 public:
  explicit FakeModel(State& state) : state_(state) {}

  grpc::Status GetModelStatus(grpc::ServerContext*, const v1::GetModelStatusRequest*,
                              v1::GetModelStatusResponse* response) override {
    *response = Status();
    return grpc::Status::OK;
  }

  grpc::Status SetServingVersion(grpc::ServerContext* context,
                                 const v1::SetServingVersionRequest* request,
                                 v1::SetServingVersionResponse* response) override {
    if (const grpc::Status status = state_.calls.Admit(*context); !status.ok()) return status;
    if (request->has_version() && request->version() != 7 && request->version() != 8) {
      return {grpc::StatusCode::NOT_FOUND,
              absl::StrCat("version: ", request->version(), " is not known")};
    }
    {
      absl::MutexLock lock(&state_.mutex);
      state_.pin = request->has_version() ? request->version() : 0;
    }
    *response->mutable_status() = Status();
    return grpc::Status::OK;
  }

  grpc::Status WatchModelStatus(grpc::ServerContext* context, const v1::WatchModelStatusRequest*,
                                grpc::ServerWriter<v1::WatchModelStatusResponse>* writer) override {
    if (const grpc::Status status = state_.calls.Admit(*context); !status.ok()) return status;
    std::vector<v1::GetModelStatusResponse> watch;
    {
      absl::MutexLock lock(&state_.mutex);
      if (state_.watches.empty()) return {grpc::StatusCode::FAILED_PRECONDITION, "no more"};
      watch = std::move(state_.watches.front());
      state_.watches.pop_front();
    }
    for (const v1::GetModelStatusResponse& status : watch) {
      v1::WatchModelStatusResponse response;
      *response.mutable_status() = status;
      writer->Write(response);
    }
    return {grpc::StatusCode::UNAVAILABLE, "going away"};
  }

 private:
  v1::GetModelStatusResponse Status() {
    v1::GetModelStatusResponse status;
    v1::ModelVersion& broken = *status.add_versions();
    broken.set_version(8);
    broken.set_state(v1::ModelVersion::STATE_FAILED);
    broken.set_failure("weights.safetensors: sha256 differs");
    v1::ModelVersion& good = *status.add_versions();
    good.set_version(7);
    good.set_state(v1::ModelVersion::STATE_SERVING);
    for (const auto& [direction, rank1] :
         {std::pair("sketch-to-photo", 0.75), std::pair("photo-to-sketch", 0.5)}) {
      v1::Evaluation& evaluation = *good.add_evaluations();
      evaluation.set_direction(direction);
      evaluation.set_rank1(rank1);
    }
    status.set_serving_version(7);
    status.set_device("cpu");
    absl::MutexLock lock(&state_.mutex);
    if (state_.pin != 0) status.set_pinned_version(state_.pin);
    return status;
  }

  State& state_;
};

}  // namespace

struct FakeSearchServer::Services {
  State state;
  FakeSearch search{state};
  FakeGallery gallery{state};
  FakeModel model{state};
  std::unique_ptr<grpc::Server> server;
};

FakeSearchServer::FakeSearchServer() : FakeSearchServer(grpc::InsecureServerCredentials()) {}

FakeSearchServer::FakeSearchServer(const Certificate& certificate)
    : FakeSearchServer([&] {
        grpc::SslServerCredentialsOptions tls;
        tls.pem_key_cert_pairs.push_back({certificate.key, certificate.cert});
        return grpc::SslServerCredentials(tls);
      }()) {}

FakeSearchServer::FakeSearchServer(const std::shared_ptr<grpc::ServerCredentials>& credentials)
    : services_(std::make_unique<Services>()) {
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", credentials, &port);
  builder.RegisterService(&services_->search);
  builder.RegisterService(&services_->gallery);
  builder.RegisterService(&services_->model);
  services_->server = builder.BuildAndStart();
  address_ = absl::StrCat("127.0.0.1:", port);
}

FakeSearchServer::~FakeSearchServer() { services_->server->Shutdown(); }

void FakeSearchServer::BreakNextStreamAfter(int answers) {
  absl::MutexLock lock(&services_->state.mutex);
  services_->state.break_after.push_back(answers);
}

void FakeSearchServer::RefuseNextPhoto(const absl::Status& status, int after) {
  absl::MutexLock lock(&services_->state.mutex);
  services_->state.refusal = status;
  services_->state.refuse_after = after;
}

void FakeSearchServer::SetWatches(std::deque<std::vector<v1::GetModelStatusResponse>> watches) {
  absl::MutexLock lock(&services_->state.mutex);
  services_->state.watches = std::move(watches);
}

void FakeSearchServer::FailNextCall(absl::Status status, int after) {
  services_->state.calls.FailNext(std::move(status), after);
}

void FakeSearchServer::FailNextCallAsBusy(const std::string& message, int after_ms) {
  services_->state.calls.FailNextAsBusy(message, after_ms);
}

void FakeSearchServer::HoldNextCall() { services_->state.calls.HoldNext(); }
void FakeSearchServer::AwaitHeldCall() { services_->state.calls.AwaitHeld(); }
void FakeSearchServer::AwaitCancelledCall() { services_->state.calls.AwaitCancelled(); }

void FakeSearchServer::RequireKey(const std::string& key) {
  services_->state.calls.RequireKey(key);
}

std::vector<std::string> FakeSearchServer::photo_ids() const {
  absl::MutexLock lock(&services_->state.mutex);
  std::vector<std::string> ids;
  for (const auto& [id, stored] : services_->state.photos) ids.push_back(id);
  return ids;
}

v1::SearchRequest FakeSearchServer::last_search() const {
  absl::MutexLock lock(&services_->state.mutex);
  return services_->state.last_search;
}

std::string FakeSearchServer::last_user() const { return services_->state.calls.last_user(); }

int FakeSearchServer::streams() const {
  absl::MutexLock lock(&services_->state.mutex);
  return services_->state.streams;
}

}  // namespace s2p::test

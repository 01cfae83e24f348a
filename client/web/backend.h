// The servers behind the gateway, and the RPCs in flight to them.
#ifndef S2P_CLIENT_WEB_BACKEND_H_
#define S2P_CLIENT_WEB_BACKEND_H_

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "client/client_options.h"
#include "client/web/exchange.h"
#include "daemon/reload_report.h"
#include "daemon/reloaded.h"
#include "s2p/v1/feedback.grpc.pb.h"
#include "s2p/v1/gallery.grpc.pb.h"
#include "s2p/v1/model.grpc.pb.h"
#include "s2p/v1/search.grpc.pb.h"
#include "s2p/v1/training.grpc.pb.h"

namespace s2p {

// A plain value.
struct BackendOptions {
  ClientOptions server;
  // If unset, there is no training service.
  std::optional<ClientOptions> trainer;
  // The least time between two looks at the files of keys, which are read again when they change.
  std::chrono::steady_clock::duration reload_interval = std::chrono::seconds(1);
  // Counts each attempt to read them again, as "api_key". Null: not counted.
  ReloadCounter count_reload;
};

// Channels and stubs, made once; each call carries the key that counts by then. Thread-safe.
class Backend {
 public:
  // Does not connect yet. Calls are not retried here: the page gets the error immediately and
  // retries. NotFound or InvalidArgument for the TLS files; as ReadApiKey for the files of keys.
  static absl::StatusOr<std::unique_ptr<Backend>> Create(BackendOptions options);

  // Waits for the calls in flight, which CancelAll ends.
  ~Backend();

  v1::SearchService::Stub& search() { return *search_; }
  v1::FeedbackService::Stub& feedback() { return *feedback_; }
  v1::GalleryService::Stub& gallery() { return *gallery_; }
  v1::ModelService::Stub& model() { return *model_; }
  bool has_trainer() const { return trainer_.has_value(); }
  // Requires a trainer.
  v1::TrainingService::Stub& training() { return *training_; }

  // Ends the calls in flight and all later ones: they fail with Unavailable.
  void CancelAll();

 private:
  friend class ForwardedCall;
  // A server, and how to call it.
  struct Endpoint {
    ClientOptions options;
    // Null if the key is not in a file.
    std::shared_ptr<Reloaded<std::string>> key;

    // The options with the key that counts now.
    ClientOptions Now() const;
  };

  Backend(Endpoint server, std::optional<Endpoint> trainer);
  void Enter(grpc::ClientContext* context);
  void Leave(grpc::ClientContext* context);

  const Endpoint server_;
  const std::optional<Endpoint> trainer_;
  std::unique_ptr<v1::SearchService::Stub> search_;
  std::unique_ptr<v1::GalleryService::Stub> gallery_;
  std::unique_ptr<v1::FeedbackService::Stub> feedback_;
  std::unique_ptr<v1::ModelService::Stub> model_;
  std::unique_ptr<v1::TrainingService::Stub> training_;
  absl::Mutex mutex_;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_set<grpc::ClientContext*> under_way_ ABSL_GUARDED_BY(mutex_);
};

// One RPC for one HTTP request: sets its key, deadline and request id, and cancels it when the
// browser disconnects. One thread only.
class ForwardedCall {
 public:
  enum class To { kServer, kTrainer };

  // `has_deadline` is false for an endless stream. `backend` is borrowed and must outlive this
  // object.
  ForwardedCall(Backend& backend, To to, const Exchange& exchange, bool has_deadline = true);
  ~ForwardedCall();
  ForwardedCall(const ForwardedCall&) = delete;
  ForwardedCall& operator=(const ForwardedCall&) = delete;

  grpc::ClientContext& context() { return context_; }

  using Done = std::function<void(grpc::Status)>;
  // Starts an asynchronous call and waits for its end. Cancels it and returns Cancelled once the
  // browser that sent the request of `exchange` has disconnected.
  absl::Status Await(const Exchange& exchange, const std::function<void(Done)>& start);

  // The status of an ended call for the browser: the server's code and message, and for
  // ResourceExhausted when to retry (daemon/retry_after.h). If a server refuses our key, the status
  // is Internal, not Unauthenticated: the user of the browser can do nothing about it.
  absl::Status StatusOf(const grpc::Status& status) const;

 private:
  Backend& backend_;
  const To to_;
  grpc::ClientContext context_;
};

}  // namespace s2p

#endif  // S2P_CLIENT_WEB_BACKEND_H_

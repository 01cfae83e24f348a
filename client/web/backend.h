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
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
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
  // The least time between two looks at the files of keys and certificates, which are read again
  // when they change.
  std::chrono::steady_clock::duration reload_interval = std::chrono::seconds(1);
  // Counts each attempt to read them again, as "api_key" or "tls". Null: not counted.
  ReloadCounter count_reload;
};

// Channels and stubs; each call carries the key that counts by then. New TLS files make a new
// channel, for the calls that begin from then on. Thread-safe.
class Backend {
 public:
  // Does not connect yet. Calls are not retried here: the page gets the error immediately and
  // retries. NotFound or InvalidArgument for the TLS files; as ReadApiKey for the files of keys.
  static absl::StatusOr<std::unique_ptr<Backend>> Create(BackendOptions options);

  // Waits for the calls in flight, which CancelAll ends.
  ~Backend();

  // A call that a stub has started does not need it any more.
  std::shared_ptr<v1::SearchService::Stub> search();
  std::shared_ptr<v1::FeedbackService::Stub> feedback();
  std::shared_ptr<v1::GalleryService::Stub> gallery();
  std::shared_ptr<v1::ModelService::Stub> model();
  bool has_trainer() const { return trainer_.has_value(); }
  // Requires a trainer.
  std::shared_ptr<v1::TrainingService::Stub> training();

  // Ends the calls in flight and all later ones: they fail with Unavailable.
  void CancelAll();

 private:
  friend class ForwardedCall;
  struct Stubs;
  // A server, and how to call it.
  struct Endpoint {
    ClientOptions options;
    // Null if the key is not in a file.
    std::shared_ptr<Reloaded<std::string>> key;
    std::shared_ptr<Reloaded<Stubs>> stubs;

    // The options with the key that counts now.
    ClientOptions Now() const;
  };

  static absl::StatusOr<Endpoint> Connect(ClientOptions options,
                                          std::shared_ptr<Reloaded<std::string>> key,
                                          const BackendOptions& backend);
  Backend(Endpoint server, std::optional<Endpoint> trainer);
  void Enter(grpc::ClientContext* context);
  void Leave(grpc::ClientContext* context);

  const Endpoint server_;
  const std::optional<Endpoint> trainer_;
  absl::Mutex mutex_;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_set<grpc::ClientContext*> under_way_ ABSL_GUARDED_BY(mutex_);
};

// The request that causes RPCs, as the servers' logs show it. A plain value.
struct CallOrigin {
  std::string request_id;
  // As Exchange::user.
  std::string user;
};

// One RPC, usually for one HTTP request: sets its key, deadline and origin, and cancels it when the
// browser disconnects. One thread only.
class ForwardedCall {
 public:
  enum class To { kServer, kTrainer };

  // `has_deadline` is false for an endless stream. `backend` is borrowed and must outlive this
  // object.
  ForwardedCall(Backend& backend, To to, const Exchange& exchange, bool has_deadline = true);
  // A call of the gateway's own.
  ForwardedCall(Backend& backend, To to, const CallOrigin& origin, absl::Duration timeout,
                bool has_deadline = true);
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
  //
  // Visitors read what a call to the server returns. So the server's address, our key's name, and
  // gRPC's own words are left out of every answer, an operator's too, and logged with the request's
  // id. Only operators call the trainer; they read it all.
  absl::Status StatusOf(const grpc::Status& status) const;

 private:
  // For a call to the server, logs the status and returns it with these words; unchanged if there
  // are none.
  absl::Status ForVisitors(const absl::Status& status, absl::string_view words) const;

  Backend& backend_;
  const To to_;
  const std::string request_id_;
  grpc::ClientContext context_;
};

}  // namespace s2p

#endif  // S2P_CLIENT_WEB_BACKEND_H_

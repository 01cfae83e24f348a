// The WatchModelStatus streams of a server.
#ifndef S2P_SERVER_RPC_WATCH_MODEL_CALL_H_
#define S2P_SERVER_RPC_WATCH_MODEL_CALL_H_

#include <grpcpp/support/server_callback.h>

#include <cstdint>
#include <set>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "s2p/v1/model.pb.h"
#include "server/rpc/service_context.h"

namespace s2p {

// One thread reads the status, once for all streams, and hands it to each whose client has taken
// the last one: changes that come faster than a client reads are one message to it, so that a slow
// client costs no memory and nobody else's time. Thread-safe.
class WatchModelCalls {
 public:
  // `service` must outlive it.
  explicit WatchModelCalls(const ServiceContext* service);
  // As Stop without grace. Only after the gRPC server has ended: its calls refer to this.
  ~WatchModelCalls();

  // Begins a call; the reactor deletes itself. At most 1000 at one time, else ResourceExhausted.
  grpc::ServerWriteReactor<v1::WatchModelStatusResponse>* Begin(
      grpc::CallbackServerContext* context);
  // The status may have changed.
  void Wake();
  // Ends all streams with UNAVAILABLE, and refuses new ones; cancels the streams of clients that do
  // not take what was sent them within `grace`. Idempotent.
  void Stop(absl::Duration grace);

 private:
  class Call;

  void Work();
  // Waits until there is something to do, and returns the calls that can take a message or an end.
  std::set<Call*> WaitForIdle(uint64_t* revision, bool* stopping);
  void Send(Call* call, uint64_t revision, const v1::GetModelStatusResponse& status);
  // The call is gone then.
  void End(Call* call, const absl::Status& status);

  const ServiceContext& service_;
  absl::Mutex mutex_;
  std::set<Call*> calls_ ABSL_GUARDED_BY(mutex_);
  // Counts what may have changed the status.
  uint64_t revision_ ABSL_GUARDED_BY(mutex_) = 1;
  // The thread has something to look at.
  bool changed_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace s2p

#endif  // S2P_SERVER_RPC_WATCH_MODEL_CALL_H_

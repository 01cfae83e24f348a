// ModelService of model.proto.
#ifndef S2P_SERVER_RPC_MODEL_SERVICE_H_
#define S2P_SERVER_RPC_MODEL_SERVICE_H_

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "base/steady_time.h"
#include "rpc/rpc_service.h"
#include "rpc/watch_streams.h"
#include "s2p/v1/model.pb.h"
#include "server/rpc/service_context.h"

namespace s2p {

// At most 1000 clients watch at one time, else ResourceExhausted. Thread-safe.
class ModelServiceImpl final : public RpcService {
 public:
  // `service` must outlive it. It must outlive the gRPC server.
  explicit ModelServiceImpl(const ServiceContext* service);

  // The status may have changed: watchers get it if it has. Changes that come faster than a client
  // reads are one message to it.
  void Wake();
  // As WatchStreams::Stop.
  void StopWatches(absl::Duration grace) { streams_.Stop(grace); }

 private:
  class StatusSource;
  v1::GetModelStatusResponse Status() const;
  // Makes `status_` the status of the revision, unless this round has done so already.
  void ReadStatus(uint64_t revision, SteadyTime round);

  const ServiceContext& service_;
  // Counts possible changes of the status.
  std::atomic<uint64_t> revision_{1};
  // The streams' thread only: the status read last, once for all streams, and when.
  v1::GetModelStatusResponse status_;
  std::string serialized_status_;
  uint64_t status_revision_ = 0;
  SteadyTime status_round_;
  using Watches = WatchStreams<v1::WatchModelStatusRequest, v1::WatchModelStatusResponse>;
  const Watches::MakeSource make_source_;
  Watches streams_;
};

}  // namespace s2p

#endif  // S2P_SERVER_RPC_MODEL_SERVICE_H_

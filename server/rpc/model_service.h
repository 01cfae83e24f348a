// ModelService of model.proto.
#ifndef S2P_SERVER_RPC_MODEL_SERVICE_H_
#define S2P_SERVER_RPC_MODEL_SERVICE_H_

#include "absl/time/time.h"
#include "s2p/v1/model.grpc.pb.h"
#include "server/rpc/service_context.h"
#include "server/rpc/watch_model_call.h"

namespace s2p {

// Thread-safe.
class ModelServiceImpl final : public v1::ModelService::CallbackService {
 public:
  // `service` must outlive it. It must outlive the gRPC server.
  explicit ModelServiceImpl(const ServiceContext* service)
      : service_(*service), watches_(service) {}

  grpc::ServerUnaryReactor* GetModelStatus(grpc::CallbackServerContext* context,
                                           const v1::GetModelStatusRequest* request,
                                           v1::GetModelStatusResponse* response) override;
  grpc::ServerUnaryReactor* SetServingVersion(grpc::CallbackServerContext* context,
                                              const v1::SetServingVersionRequest* request,
                                              v1::SetServingVersionResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchModelStatusResponse>* WatchModelStatus(
      grpc::CallbackServerContext* context, const v1::WatchModelStatusRequest* request) override;

  // The status may have changed: whoever watches is told.
  void Wake() { watches_.Wake(); }
  // Ends the watches, as WatchModelCalls::Stop.
  void StopWatches(absl::Duration grace) { watches_.Stop(grace); }

 private:
  const ServiceContext& service_;
  WatchModelCalls watches_;
};

}  // namespace s2p

#endif  // S2P_SERVER_RPC_MODEL_SERVICE_H_

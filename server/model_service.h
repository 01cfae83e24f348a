// ModelService of model.proto.
#ifndef S2P_SERVER_MODEL_SERVICE_H_
#define S2P_SERVER_MODEL_SERVICE_H_

#include "s2p/v1/model.grpc.pb.h"
#include "server/service_context.h"

namespace s2p {

// SetServingVersion and WatchModelStatus answer UNIMPLEMENTED. Thread-safe.
class ModelServiceImpl final : public v1::ModelService::CallbackService {
 public:
  // `service` must outlive it.
  explicit ModelServiceImpl(const ServiceContext* service) : service_(*service) {}

  grpc::ServerUnaryReactor* GetModelStatus(grpc::CallbackServerContext* context,
                                           const v1::GetModelStatusRequest* request,
                                           v1::GetModelStatusResponse* response) override;

 private:
  const ServiceContext& service_;
};

}  // namespace s2p

#endif  // S2P_SERVER_MODEL_SERVICE_H_

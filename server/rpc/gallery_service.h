// GalleryService of gallery.proto.
#ifndef S2P_SERVER_RPC_GALLERY_SERVICE_H_
#define S2P_SERVER_RPC_GALLERY_SERVICE_H_

#include "rpc/rpc_service.h"
#include "server/rpc/service_context.h"

namespace s2p {

// gRPC's threads never decode and never touch the disk. Thread-safe.
class GalleryServiceImpl final : public RpcService {
 public:
  // `service` must outlive it.
  explicit GalleryServiceImpl(const ServiceContext* service);

 private:
  // Adds a method whose work is done on the pool.
  template <typename Request, typename Response>
  void AddStored(const std::string& method, CallCost cost, WorkerPool* pool,
                 absl::Status (*work)(const ServiceContext&, const Request&, Response&));

  const ServiceContext& service_;
};

}  // namespace s2p

#endif  // S2P_SERVER_RPC_GALLERY_SERVICE_H_

// SearchService of search.proto.
#ifndef S2P_SERVER_RPC_SEARCH_SERVICE_H_
#define S2P_SERVER_RPC_SEARCH_SERVICE_H_

#include "rpc/rpc_service.h"
#include "server/rpc/service_context.h"

namespace s2p {

// gRPC's threads only check the request; decoding and preprocessing happen in the decode pool,
// encoding and ranking on the batcher's threads. A call that is cancelled or late is dropped before
// each of these steps. Thread-safe.
class SearchServiceImpl final : public RpcService {
 public:
  // `service` must outlive it.
  explicit SearchServiceImpl(const ServiceContext* service);

 private:
  const ServiceContext& service_;
};

}  // namespace s2p

#endif  // S2P_SERVER_RPC_SEARCH_SERVICE_H_

// SearchService of search.proto.
#ifndef S2P_SERVER_RPC_SEARCH_SERVICE_H_
#define S2P_SERVER_RPC_SEARCH_SERVICE_H_

#include "s2p/v1/search.grpc.pb.h"
#include "server/rpc/service_context.h"

namespace s2p {

// gRPC's threads only check the request; decoding happens in the decode pool, encoding and ranking
// on the batch thread. A call that is cancelled or late is dropped before the encoder. Thread-safe.
class SearchServiceImpl final : public v1::SearchService::CallbackService {
 public:
  // `service` must outlive it.
  explicit SearchServiceImpl(const ServiceContext* service) : service_(*service) {}

  grpc::ServerUnaryReactor* Search(grpc::CallbackServerContext* context,
                                   const v1::SearchRequest* request,
                                   v1::SearchResponse* response) override;

 private:
  const ServiceContext& service_;
};

}  // namespace s2p

#endif  // S2P_SERVER_RPC_SEARCH_SERVICE_H_

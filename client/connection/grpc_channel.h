// What the clients of all our services have in common: the channel, the key, the words of errors.
#ifndef S2P_CLIENT_CONNECTION_GRPC_CHANNEL_H_
#define S2P_CLIENT_CONNECTION_GRPC_CHANNEL_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/client_options.h"

namespace s2p {

// Does not connect yet. `service_config` is gRPC's JSON and says which calls are repeated, if
// `options.retry`. Between programs on one machine there is no proxy (client/connection/proxy.h).
// InvalidArgument for a server that is no ServerAddress and a key that is no text; NotFound or
// InvalidArgument for the TLS files.
absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const ClientOptions& options,
                                                           const char* service_config);

// Gives a call its key and, if it is to have one, its deadline.
void Prepare(const ClientOptions& options, bool with_deadline, grpc::ClientContext& context);

// The server's code and words; when no server answers at all, Unavailable that names its address,
// `program`, which should run there, and the proxy if one was used. InvalidArgument with both
// numbers for a request that is larger than the server takes.
absl::Status FromGrpc(const grpc::Status& status, const std::string& server,
                      absl::string_view program);

// `call` is a method of a stub.
template <typename Response, typename Request, typename Call>
absl::StatusOr<Response> Unary(const ClientOptions& options, absl::string_view program,
                               const Request& request, Call call) {
  grpc::ClientContext context;
  Prepare(options, /*with_deadline=*/true, context);
  Response response;
  const grpc::Status status = call(&context, request, &response);
  if (!status.ok()) return FromGrpc(status, options.server, program);
  return response;
}

}  // namespace s2p

#endif  // S2P_CLIENT_CONNECTION_GRPC_CHANNEL_H_

// Shared by the clients of all our services: the channel, the key, the wording of errors.
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

// Reads api_key_file, if there is one, into api_key; for programs, before they connect.
// InvalidArgument if both are given, or the key has characters that no header can carry; else as
// ReadClientKey.
absl::Status ReadApiKey(ClientOptions& options);

// Does not connect yet. `service_config` is gRPC's JSON and says which calls are retried, if
// `options.retry`. Programs on the same machine connect without a proxy
// (client/connection/proxy.h). InvalidArgument for an invalid server address or key, and for a key
// that would leave this machine in plain text without `options.insecure`, which the program's
// `insecure_flag` sets; NotFound or InvalidArgument for the TLS files.
absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(
    const ClientOptions& options, const char* service_config,
    absl::string_view insecure_flag = "--insecure");

// Adds the key to a call and, if `with_deadline`, the deadline.
void Prepare(const ClientOptions& options, bool with_deadline, grpc::ClientContext& context);

// Returns the server's code and message. If no server answers, Unavailable with its address, the
// `program` that should run there, and the proxy if one was used. InvalidArgument with both numbers
// for a request that is larger than the server accepts.
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

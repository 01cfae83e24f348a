// Error messages for calls whose request cannot be read.
#ifndef S2P_RPC_REQUEST_GUARD_H_
#define S2P_RPC_REQUEST_GUARD_H_

#include <grpcpp/server_builder.h>

#include <string>
#include <vector>

namespace s2p {

// Makes the server answer INVALID_ARGUMENT, naming the expected message, if the one request of a
// call is missing, is damaged, or has a text that is not UTF-8. gRPC itself answers UNIMPLEMENTED
// with an empty message, like a server that lacks the method. `services` are the full names of the
// services that need this, such as "s2p.v1.SearchService". It does not see the messages of a stream
// of requests: such a method must parse them itself. Call it once, before BuildAndStart.
void AnswerUnreadableRequests(const std::vector<std::string>& services,
                              grpc::ServerBuilder* builder);

}  // namespace s2p

#endif  // S2P_RPC_REQUEST_GUARD_H_

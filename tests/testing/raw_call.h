// Calls an RPC with raw bytes instead of messages.
#ifndef S2P_TESTS_TESTING_RAW_CALL_H_
#define S2P_TESTS_TESTING_RAW_CALL_H_

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace s2p::test {

struct RawReplies {
  std::vector<std::string> messages;
  grpc::Status status;
};

inline grpc::ByteBuffer ToByteBuffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

inline std::string ToString(const grpc::ByteBuffer& buffer) {
  grpc::Slice slice;
  if (!buffer.DumpToSingleSlice(&slice).ok()) return "";
  return std::string(reinterpret_cast<const char*>(slice.begin()), slice.size());
}

// Sends the requests as one call of any kind, then reads it to its end. `method` is a path such as
// "/s2p.v1.SearchService/Search". Requests beyond the end of the call are not sent.
inline RawReplies RawCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                          const std::vector<std::string>& requests) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const auto wait = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  auto call = stub.PrepareCall(&context, method, &queue);
  call->StartCall(nullptr);
  bool open = wait();
  for (const std::string& request : requests) {
    if (!open) break;
    call->Write(ToByteBuffer(request), nullptr);
    open = wait();
  }
  if (open) {
    call->WritesDone(nullptr);
    wait();
  }
  RawReplies replies;
  for (;;) {
    grpc::ByteBuffer message;
    call->Read(&message, nullptr);
    if (!wait()) break;
    replies.messages.push_back(ToString(message));
  }
  call->Finish(&replies.status, nullptr);
  wait();
  return replies;
}

// The state of a service by grpc.health.v1: "SERVING", "NOT_SERVING", or the error's code.
inline std::string Health(const std::shared_ptr<grpc::Channel>& channel,
                          const std::string& service) {
  // HealthCheckRequest { service }.
  const std::string request = std::string{'\x0A', static_cast<char>(service.size())} + service;
  const RawReplies replies = RawCall(channel, "/grpc.health.v1.Health/Check", {request});
  if (replies.status.error_code() == grpc::StatusCode::NOT_FOUND) return "NOT_FOUND";
  if (!replies.status.ok() || replies.messages.size() != 1) return replies.status.error_message();
  if (replies.messages[0] == "\x08\x01") return "SERVING";
  return replies.messages[0] == "\x08\x02" ? "NOT_SERVING" : "no answer of the protocol";
}

}  // namespace s2p::test

#endif  // S2P_TESTS_TESTING_RAW_CALL_H_

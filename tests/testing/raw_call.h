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

// A call that has sent its headers, and nothing else yet.
class OpenCall {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;
  OpenCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
           const Headers& headers = {})
      : stub_(channel) {
    for (const auto& [name, value] : headers) context_.AddMetadata(name, value);
    call_ = stub_.PrepareCall(&context_, method, &queue_);
    call_->StartCall(nullptr);
    Wait();
  }
  bool Write(const std::string& bytes) {
    call_->Write(ToByteBuffer(bytes), nullptr);
    return Wait();
  }
  bool Close() {
    call_->WritesDone(nullptr);
    return Wait();
  }
  // Ends the requests with this one.
  bool WriteLast(const std::string& bytes) {
    call_->WriteLast(ToByteBuffer(bytes), grpc::WriteOptions(), nullptr);
    return Wait();
  }
  // False at the end. `bytes` gets the message, if it is not null.
  bool Read(std::string* bytes = nullptr) {
    grpc::ByteBuffer message;
    call_->Read(&message, nullptr);
    if (!Wait()) return false;
    if (bytes != nullptr) *bytes = ToString(message);
    return true;
  }
  void Cancel() { context_.TryCancel(); }
  // Waits until the server ends the call.
  grpc::Status Finish() {
    grpc::Status status;
    call_->Finish(&status, nullptr);
    Wait();
    return status;
  }

 private:
  bool Wait() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
};

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

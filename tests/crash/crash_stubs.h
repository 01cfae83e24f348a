// A client of the server under test, which is killed.
#ifndef S2P_TESTS_CRASH_CRASH_STUBS_H_
#define S2P_TESTS_CRASH_CRASH_STUBS_H_

#include <grpcpp/grpcpp.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "absl/strings/numbers.h"
#include "s2p/v1/gallery.grpc.pb.h"
#include "s2p/v1/model.grpc.pb.h"
#include "s2p/v1/search.grpc.pb.h"

namespace s2p::test {

struct Stubs {
  explicit Stubs(const std::string& address) {
    auto channel = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
    search = v1::SearchService::NewStub(channel);
    gallery = v1::GalleryService::NewStub(channel);
    model = v1::ModelService::NewStub(channel);
  }
  std::unique_ptr<v1::SearchService::Stub> search;
  std::unique_ptr<v1::GalleryService::Stub> gallery;
  std::unique_ptr<v1::ModelService::Stub> model;
};

// A number that may be set in the environment.
inline int FromEnvironment(const char* name, int otherwise) {
  int value = 0;
  const char* text = std::getenv(name);
  return text != nullptr && absl::SimpleAtoi(text, &value) ? value : otherwise;
}

}  // namespace s2p::test

#endif  // S2P_TESTS_CRASH_CRASH_STUBS_H_

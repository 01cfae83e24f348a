// A server for the client's tests: the real wire, no model.
#ifndef S2P_TESTS_CLIENT_FAKE_SEARCH_SERVER_H_
#define S2P_TESTS_CLIENT_FAKE_SEARCH_SERVER_H_

#include <grpcpp/security/server_credentials.h>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "s2p/v1/gallery.pb.h"
#include "s2p/v1/model.pb.h"
#include "s2p/v1/search.pb.h"
#include "tests/testing/certificate.h"

namespace s2p::test {

// Serves on a free loopback port. Keeps photos in memory and answers every search with all of them,
// those whose bytes equal the query's first, in order of their ids. Refuses a photo with the bytes
// "bad"; one with the bytes "garbled" ends its stream like an unreadable message. Accepts messages
// of at most 4 MiB. Thread-safe.
class FakeSearchServer {
 public:
  FakeSearchServer();
  // Serves with TLS.
  explicit FakeSearchServer(const Certificate& certificate);
  ~FakeSearchServer();

  const std::string& address() const { return address_; }

  // Breaks the next AddPhotos stream after this many answers; further calls break further streams.
  void BreakNextStreamAfter(int answers);
  // Answers one photo with `status`: the one that comes after `after` others.
  void RefuseNextPhoto(const absl::Status& status, int after = 0);
  // Sets the next WatchModelStatus streams: each sends its statuses and breaks. The stream after
  // the last fails with FailedPrecondition.
  void SetWatches(std::deque<std::vector<v1::GetModelStatusResponse>> watches);
  // The call after the next `after` ones fails with `status` before it does anything.
  void FailNextCall(absl::Status status, int after = 0);
  // The next call fails with ResourceExhausted, and with the time after which to come back.
  void FailNextCallAsBusy(const std::string& message, int after_ms);
  // The next call does nothing until its client cancels it: once in the life of the server.
  void HoldNextCall();
  // Return when the held call has come, or has been cancelled.
  void AwaitHeldCall();
  void AwaitCancelledCall();
  // Calls without "Bearer `key`" fail with Unauthenticated.
  void RequireKey(const std::string& key);

  std::vector<std::string> photo_ids() const;
  v1::SearchRequest last_search() const;
  // The person whom the last call named; empty if none.
  std::string last_user() const;
  int streams() const;

 private:
  struct Services;
  explicit FakeSearchServer(const std::shared_ptr<grpc::ServerCredentials>& credentials);

  std::unique_ptr<Services> services_;
  std::string address_;
};

}  // namespace s2p::test

#endif  // S2P_TESTS_CLIENT_FAKE_SEARCH_SERVER_H_

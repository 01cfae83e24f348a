// A training daemon for the client's tests: the real wire, no training.
#ifndef S2P_TESTS_CLIENT_FAKE_TRAINING_SERVER_H_
#define S2P_TESTS_CLIENT_FAKE_TRAINING_SERVER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "s2p/v1/training.pb.h"

namespace s2p::test {

// Serves on a free loopback port. Jobs are what the test says they are; a submitted one gets the id
// "job-N" and stays queued. Thread-safe.
class FakeTrainingServer {
 public:
  FakeTrainingServer();
  ~FakeTrainingServer();

  const std::string& address() const { return address_; }

  void AddJob(const v1::Job& job);
  // Appends to the job's events, numbered from 1. WatchJob sends what is there and ends.
  void AddEvent(const std::string& job_id, v1::WatchJobResponse event);
  // The same with the number that the event has; it is sent whatever WatchJob asks for.
  void AddNumberedEvent(const std::string& job_id, v1::WatchJobResponse event);
  // The next WatchJob streams break with `code` after so many events each, in this order.
  void BreakWatches(std::vector<int> after_events,
                    absl::StatusCode code = absl::StatusCode::kUnavailable);
  // WatchJob begins one event earlier than it was asked to.
  void RepeatEvents();
  // The next call fails so, before it does anything.
  void FailNextCall(absl::Status status);
  // Calls without "Bearer `key`" fail with Unauthenticated.
  void RequireKey(const std::string& key);
  // Ends the server and begins another one on the same port, with the same jobs.
  void Restart();

  v1::TrainingSpec last_spec() const;
  int submits() const;
  // `from_event` of every WatchJob so far.
  std::vector<int64_t> watched_from() const;

 private:
  struct Service;
  void Start(const std::string& address);
  std::unique_ptr<Service> service_;
  std::string address_;
};

}  // namespace s2p::test

#endif  // S2P_TESTS_CLIENT_FAKE_TRAINING_SERVER_H_

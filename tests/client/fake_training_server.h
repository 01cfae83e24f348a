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

// Serves on a free loopback port. The test defines the jobs; a submitted job gets the id "job-N"
// and stays queued. Thread-safe.
class FakeTrainingServer {
 public:
  FakeTrainingServer();
  ~FakeTrainingServer();

  const std::string& address() const { return address_; }

  void AddJob(const v1::Job& job);
  // Appends to the job's events, numbered from 1. WatchJob sends the existing events and ends.
  void AddEvent(const std::string& job_id, v1::WatchJobResponse event);
  // The same with the event's own number; the event is sent whatever WatchJob asks for.
  void AddNumberedEvent(const std::string& job_id, v1::WatchJobResponse event);
  // The next WatchJob streams break with `code`, each after the given number of events, in this
  // order.
  void BreakWatches(std::vector<int> after_events,
                    absl::StatusCode code = absl::StatusCode::kUnavailable);
  // Makes WatchJob start one event earlier than requested.
  void RepeatEvents();
  // WatchJob does not end after the existing events, but when its client leaves.
  void KeepWatchesOpen();
  // The next call fails with `status` before it does anything.
  void FailNextCall(absl::Status status);
  // Calls without "Bearer `key`" fail with Unauthenticated.
  void RequireKey(const std::string& key);
  // Stops the server and starts another one on the same port, with the same jobs.
  void Restart();

  v1::TrainingSpec last_spec() const;
  int submits() const;
  // The `from_event` of every WatchJob call so far.
  std::vector<int64_t> watched_from() const;

 private:
  struct Service;
  void Start(const std::string& address);
  std::unique_ptr<Service> service_;
  std::string address_;
};

}  // namespace s2p::test

#endif  // S2P_TESTS_CLIENT_FAKE_TRAINING_SERVER_H_

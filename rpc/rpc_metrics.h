// The Prometheus metrics that every gRPC daemon of ours has.
#ifndef S2P_RPC_RPC_METRICS_H_
#define S2P_RPC_RPC_METRICS_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace prometheus {
class Registry;
}  // namespace prometheus

namespace s2p {

// Bounds of histograms of short times, in seconds: 0.1 ms to 10 s, five to the decade, so that a
// p99 of 16 ms and one of 25 ms differ.
std::vector<double> LatencyBuckets();

// Calls (s2p_requests_total, s2p_request_seconds), the disk (s2p_disk_free_bytes,
// s2p_disk_size_bytes), files read again (s2p_reloads_total), calls above a rate
// (s2p_rate_limited_total), s2p_audit_failures_total and s2p_build_info. A program adds its own in
// a derived class. Thread-safe.
class RpcMetrics {
 public:
  // `services` are full names, such as "s2p.v1.SearchService"; the methods of these services are
  // the values of the label "method". `build` are the labels of s2p_build_info.
  RpcMetrics(const std::vector<std::string>& services,
             const std::map<std::string, std::string>& build);
  ~RpcMetrics();

  // Counts a call that has ended. Ignores a method that none of the services has.
  void CountRequest(absl::string_view method, absl::StatusCode code, absl::Duration took);

  // Counts another attempt to read `files` ("api_keys", "tls" or "http_tls") that have changed.
  void CountReload(absl::string_view files, bool ok);

  // Counts a call that was refused because its caller calls too often: `by` "key" or "address".
  void CountRateLimited(absl::string_view by);
  // Counts an entry that the audit log lacks.
  void CountAuditFailure();

  // Sets s2p_disk_free_bytes and s2p_disk_size_bytes from the file system of `path` as it is now;
  // leaves them if it cannot be measured.
  void MeasureDisk(const std::string& path);

  // All metrics in Prometheus's text format.
  std::string Text() const;

 protected:
  // Where a derived class registers its own.
  prometheus::Registry& registry();

 private:
  struct Families;
  const std::unique_ptr<Families> families_;
};

}  // namespace s2p

#endif  // S2P_RPC_RPC_METRICS_H_

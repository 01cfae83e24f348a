// The gateway's metrics. Names: docs/operations.md.
#ifndef S2P_CLIENT_WEB_METRICS_H_
#define S2P_CLIENT_WEB_METRICS_H_

#include <memory>
#include <string>

#include "absl/time/time.h"

namespace s2p {

// Thread-safe.
class WebMetrics {
 public:
  // `version` is the program's, for s2p_web_build_info.
  explicit WebMetrics(const std::string& version);
  ~WebMetrics();

  // A request that was answered. `route` is one of the gateway's own, never what was asked for.
  void CountRequest(const std::string& route, int http_status, absl::Duration took);
  void SetStreams(int open);

  // All of them in Prometheus's text format.
  std::string Text() const;

 private:
  struct Families;
  const std::unique_ptr<Families> families_;
};

}  // namespace s2p

#endif  // S2P_CLIENT_WEB_METRICS_H_

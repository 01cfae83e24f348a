// The gateway's metrics. Names: docs/web.md.
#ifndef S2P_CLIENT_WEB_METRICS_H_
#define S2P_CLIENT_WEB_METRICS_H_

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace s2p {

// Thread-safe.
class WebMetrics {
 public:
  // `version` is the program's version, for s2p_web_build_info.
  explicit WebMetrics(const std::string& version);
  ~WebMetrics();

  // Counts a request that was answered. `route` is one of the gateway's own routes, never the
  // requested path.
  void CountRequest(const std::string& route, int http_status, absl::Duration took);
  void SetStreams(int open);
  // As a ReloadCounter (daemon/reload_report.h). `files` is "api_key", "http_tls", "password" or
  // "tls".
  void CountReload(absl::string_view files, bool ok);

  // All metrics in Prometheus's text format.
  std::string Text() const;

 private:
  struct Families;
  const std::unique_ptr<Families> families_;
};

}  // namespace s2p

#endif  // S2P_CLIENT_WEB_METRICS_H_

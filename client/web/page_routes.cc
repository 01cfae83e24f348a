#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/web/page_files.h"
#include "client/web/routes.h"

namespace s2p {
namespace {

std::string TypeOf(absl::string_view name) {
  if (absl::EndsWith(name, ".html")) return "text/html; charset=utf-8";
  if (absl::EndsWith(name, ".css")) return "text/css; charset=utf-8";
  if (absl::EndsWith(name, ".js")) return "text/javascript; charset=utf-8";
  return "image/svg+xml";
}

ExchangeHandler Serve(const PageFile& file) {
  return [file](Exchange& exchange) {
    // Browsers revalidate every file, so that a new gateway's page is never mixed with an old
    // one's.
    SetHeader(exchange, "Cache-Control", "no-cache");
    if (AnswerUnchanged(exchange, std::string(file.sha256))) return absl::OkStatus();
    Answer(exchange, std::string(file.bytes), TypeOf(file.name));
    return absl::OkStatus();
  };
}

}  // namespace

void AddPageRoutes(std::function<std::string()> metrics, std::function<bool()> serving,
                   Router& router) {
  constexpr auto kAnyone = Router::Access::kAnyone;
  for (const PageFile& file : PageFiles()) {
    if (file.name == "index.html") {
      router.Add("GET", "/", kAnyone, Serve(file));
      router.Add("GET", "/operator", kAnyone, Serve(file));
    } else {
      router.Add("GET", absl::StrCat("/assets/", file.name), kAnyone, Serve(file));
    }
  }
  // Balancers ask the page for /healthz, which has been its only probe.
  for (const char* path : {"/healthz", "/readyz"}) {
    router.AddProbe(path, [serving](Exchange& exchange) {
      const bool ok = serving();
      Answer(exchange, ok ? "ok\n" : "ending\n", "text/plain");
      if (!ok) exchange.response.status = 503;
      return absl::OkStatus();
    });
  }
  router.Add("GET", "/metrics", kAnyone, [metrics = std::move(metrics)](Exchange& exchange) {
    Answer(exchange, metrics(), "text/plain; version=0.0.4; charset=utf-8");
    return absl::OkStatus();
  });
}

}  // namespace s2p

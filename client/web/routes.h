// The routes of the gateway. All of them borrow what they are given, for as long as the router
// lives. docs/web.md has the table.
#ifndef S2P_CLIENT_WEB_ROUTES_H_
#define S2P_CLIENT_WEB_ROUTES_H_

#include <functional>
#include <string>

#include "client/web/backend.h"
#include "client/web/event_streams.h"
#include "client/web/operator_sessions.h"
#include "client/web/router.h"

namespace s2p {

// RPCs that have one request and one answer: JSON in, JSON out.
void AddApiRoutes(Backend& backend, Router& router);

// A photo: its facts, its pictures, and the upload of one.
void AddPhotoRoutes(Backend& backend, Router& router);

// What happens to a job, as it happens: server-sent events.
void AddWatchRoutes(Backend& backend, EventStreams& streams, Router& router);

struct SessionRouteOptions {
  bool has_trainer = false;
  uint64_t max_body_bytes = 0;
};
// Who is operator, and what the page may offer.
void AddSessionRoutes(const SessionRouteOptions& options, OperatorSessions& sessions,
                      Router& router);

// The page's own files, and what an orchestrator and Prometheus ask for.
void AddPageRoutes(std::function<std::string()> metrics, Router& router);

}  // namespace s2p

#endif  // S2P_CLIENT_WEB_ROUTES_H_

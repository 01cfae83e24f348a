// The routes of the gateway. All functions borrow their arguments for the router's lifetime.
// docs/web.md has the table.
#ifndef S2P_CLIENT_WEB_ROUTES_H_
#define S2P_CLIENT_WEB_ROUTES_H_

#include <functional>
#include <string>

#include "client/web/backend.h"
#include "client/web/event_streams.h"
#include "client/web/gallery_training.h"
#include "client/web/operator_sessions.h"
#include "client/web/router.h"
#include "client/web/trusted_proxy.h"
#include "daemon/callers/call_places.h"

namespace s2p {

// Adds RPCs with one request and one response: JSON in, JSON out.
void AddApiRoutes(Backend& backend, Router& router);

// Adds photos: their properties, their pictures, and uploads. Each original that is sent holds one
// of the client's places among `originals`.
void AddPhotoRoutes(Backend& backend, CallPlaces& originals, Router& router);

// Adds live updates of a job, as server-sent events.
void AddWatchRoutes(Backend& backend, EventStreams& streams, Router& router);

// Adds training that begins with the photos of the gallery.
void AddGalleryTrainingRoutes(GalleryTraining& training, Router& router);

struct SessionRouteOptions {
  bool has_trainer = false;
  // Whether the page can begin with the photos of the gallery.
  bool has_gallery_training = false;
  uint64_t max_body_bytes = 0;
};
// Adds the operator's login, and the page's available features.
void AddSessionRoutes(const SessionRouteOptions& options, OperatorSessions& sessions,
                      const TrustedProxy& proxy, Router& router);

// Adds the page's files, and the endpoints for orchestrators and Prometheus. Health is 200 while
// `serving` says so, else 503; it must be thread-safe and must not block.
void AddPageRoutes(std::function<std::string()> metrics, std::function<bool()> serving,
                   Router& router);

}  // namespace s2p

#endif  // S2P_CLIENT_WEB_ROUTES_H_

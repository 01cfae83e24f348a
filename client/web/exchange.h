// One HTTP request and its response, as seen by the gateway's routes.
#ifndef S2P_CLIENT_WEB_EXCHANGE_H_
#define S2P_CLIENT_WEB_EXCHANGE_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "daemon/http/http_message.h"
#include "daemon/http/memory_limit.h"

namespace s2p {

// Lives on the stack of the answering thread. One thread only.
struct Exchange {
  // With its whole body, which the route may take.
  HttpRequest& request;
  HttpResponse response;
  // The browser's id, or one that the gateway made. Passed on to the server's log and returned.
  std::string request_id;
  // Timeout of the RPC: the browser's x-timeout-ms, within the gateway's limit.
  absl::Duration timeout;
  // Memory of the messages made from JSON, which all requests share.
  MemoryLimit::Share messages;
  // The person who has logged in at a proxy (TrustedProxy::UserOf), for the servers' audit log;
  // empty if there is none.
  std::string user{};
  // The addresses of the client (AddressGroup), which stand for one visitor.
  std::string client{};
  // Whether an operator has sent it; always true on a route for operators alone.
  bool is_operator = false;
};

// Fills in the response, or returns an error to respond with.
using ExchangeHandler = std::function<absl::Status(Exchange&)>;

// A parameter of the URL, decoded; empty if it is missing.
std::string Parameter(const Exchange& exchange, absl::string_view name);
void SetHeader(Exchange& exchange, absl::string_view name, absl::string_view value);
// Sets status 200, body and type.
void Answer(Exchange& exchange, std::string body, absl::string_view content_type);
// Sets status 204, without a body.
void AnswerNothing(Exchange& exchange);
// Sets the ETag to `etag` (without quotes). If the browser already has it, by If-None-Match, sets
// status 304 and returns true.
bool AnswerUnchanged(Exchange& exchange, const std::string& etag);

}  // namespace s2p

#endif  // S2P_CLIENT_WEB_EXCHANGE_H_

// One HTTP request and its answer, as the gateway's routes see them.
#ifndef S2P_CLIENT_WEB_EXCHANGE_H_
#define S2P_CLIENT_WEB_EXCHANGE_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace httplib {
struct Request;
struct Response;
}  // namespace httplib

namespace s2p {

// Lives on the stack of the thread that answers. One thread only.
struct Exchange {
  const httplib::Request& request;
  httplib::Response& response;
  // Of the request, whole.
  std::string body;
  // The browser's, or one that the gateway made. Goes on to the server's log, and back.
  std::string request_id;
  // Of the RPC: what the browser asks for by x-timeout-ms, within the gateway's limit.
  absl::Duration timeout;
};

// Answers, or returns the error to answer with.
using ExchangeHandler = std::function<absl::Status(Exchange&)>;

// A parameter of the URL, decoded; empty if it is not there.
std::string Parameter(const Exchange& exchange, const std::string& name);
void SetHeader(Exchange& exchange, const std::string& name, const std::string& value);
// Sets status 200, body and type.
void Answer(Exchange& exchange, std::string body, const std::string& content_type);
// 204: done, and nothing to say.
void AnswerNothing(Exchange& exchange);
// True if the browser has `etag` (without quotes) already, by If-None-Match: answered with 304.
// Sets the ETag.
bool AnswerUnchanged(Exchange& exchange, const std::string& etag);

// Whether who asked has gone away: the connection is closed, or at least its writing half, which a
// browser does when it aborts. Valid while the exchange is being answered. To
// make it looks through our connections; each question is one system call.
std::function<bool()> ClientGone(const httplib::Request& request);

}  // namespace s2p

#endif  // S2P_CLIENT_WEB_EXCHANGE_H_

#include "client/web/router.h"

#include <httplib.h>
#include <openssl/rand.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "client/web/http_error.h"
#include "client/web/request_guard.h"
#include "daemon/log.h"
#include "daemon/retry_after.h"

namespace s2p {
namespace {

constexpr size_t kMaxRequestIdBytes = 128;

// The page loads nothing from other sites, may not be framed, and submits no forms.
constexpr char kContentSecurityPolicy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

std::string RequestId(const httplib::Request& request) {
  const std::string given = request.get_header_value("x-request-id");
  const auto is_visible = [](char c) { return absl::ascii_isgraph(static_cast<unsigned char>(c)); };
  if (!given.empty() && given.size() <= kMaxRequestIdBytes &&
      std::all_of(given.begin(), given.end(), is_visible)) {
    return given;
  }
  unsigned char bytes[8] = {};
  RAND_bytes(bytes, sizeof(bytes));
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(bytes), sizeof(bytes)));
}

void SetSecurityHeaders(httplib::Response& response) {
  response.set_header("Content-Security-Policy", kContentSecurityPolicy);
  response.set_header("X-Content-Type-Options", "nosniff");
  response.set_header("X-Frame-Options", "DENY");
  response.set_header("Referrer-Policy", "no-referrer");
  response.set_header("Cross-Origin-Opener-Policy", "same-origin");
  response.set_header("Cross-Origin-Resource-Policy", "same-origin");
  response.set_header("Permissions-Policy", "camera=(), microphone=(), geolocation=()");
}

void WriteError(const absl::Status& status, const std::string& request_id,
                httplib::Response& response) {
  response.status = HttpStatus(status.code());
  if (const auto after = RetryAfter(status)) {
    // In whole seconds, at least one.
    response.set_header("Retry-After", absl::StrCat(absl::ToInt64Seconds(absl::Ceil(
                                           std::max(*after, absl::Seconds(1)), absl::Seconds(1)))));
  }
  response.set_content(ErrorBody(status, request_id), "application/json");
}

// Whether a person opened this address in a browser, as opposed to a program that reads JSON.
bool IsForAPerson(const httplib::Request& request) {
  return !absl::StartsWith(request.path, "/api/") && request.method == "GET" &&
         absl::StrContains(request.get_header_value("Accept"), "text/html");
}

// Explains why the library itself refused a request, by the status that it chose.
absl::Status LibraryError(int status) {
  switch (status) {
    case 404:
    case 405:
      return absl::NotFoundError("this method has no route here");
    case 413:
      return TooLargeError("the request has more bytes than are accepted");
    case 414:
      return TooLargeError(
          absl::StrCat("the address has more than ", CPPHTTPLIB_REQUEST_URI_MAX_LENGTH,
                       " bytes; send the request as the body of POST /api/photos/list or POST "
                       "/api/photo"));
    case 416:
      return absl::InvalidArgumentError("the header Range does not name a valid part");
    default:
      return absl::InvalidArgumentError(absl::StrCat(
          "this is not an HTTP request that can be read; no header may have more than ",
          CPPHTTPLIB_HEADER_MAX_LENGTH, " bytes"));
  }
}

bool HasBody(const httplib::Request& request) {
  if (request.has_header("Transfer-Encoding")) return true;
  const std::string length = request.get_header_value("Content-Length");
  return !length.empty() && length != "0";
}

}  // namespace

Router::Router(RouterOptions options, const OperatorSessions* sessions, WebMetrics* metrics)
    : options_(std::move(options)), sessions_(sessions), metrics_(metrics) {}

void Router::Add(const std::string& method, const std::string& path, Access access,
                 ExchangeHandler handler) {
  routes_[{method, path}] = Route{access, std::move(handler)};
}

void Router::Attach(httplib::Server& server) const {
  const auto with_body = [this](const httplib::Request& request, httplib::Response& response,
                                const httplib::ContentReader& reader) {
    Handle(request, response, &reader);
  };
  server.Get("/.*", [this](const httplib::Request& request, httplib::Response& response) {
    Handle(request, response, nullptr);
  });
  server.Post("/.*", with_body);
  server.Put("/.*", with_body);
  server.Patch("/.*", with_body);
  server.Delete("/.*", with_body);
  // Handles requests that the library itself refuses because it cannot read them.
  server.set_error_handler([](const httplib::Request& request, httplib::Response& response) {
    if (!response.body.empty() || response.status < 400) return;
    const int status = response.status;
    WriteError(LibraryError(status), RequestId(request), response);
    response.status = status;
  });
  server.set_exception_handler(
      [](const httplib::Request& request, httplib::Response& response, const std::exception_ptr&) {
        WriteError(absl::InternalError("the gateway failed"), RequestId(request), response);
      });
}

void Router::Handle(const httplib::Request& request, httplib::Response& response,
                    const httplib::ContentReader* reader) const {
  const absl::Time start = absl::Now();
  // Responses are always complete. The library would cut them, and send a part with status 200. The
  // cast is safe, since the library's object is not constant.
  const_cast<httplib::Request&>(request).ranges.clear();
  Exchange exchange{request, response, "", RequestId(request), Timeout(request)};
  SetSecurityHeaders(response);
  response.set_header("x-request-id", exchange.request_id);
  response.set_header("Cache-Control", "no-store");
  // HEAD is a GET whose body the library omits.
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  const auto route = routes_.find({method, request.path});
  absl::Status status = absl::NotFoundError(absl::StrCat(method, " ", request.path));
  if (route != routes_.end()) status = Dispatch(route->second, exchange, reader);
  if (route == routes_.end() && LeadToRoute(exchange)) status = absl::OkStatus();
  if (!status.ok()) {
    WriteError(status, exchange.request_id, response);
    if (IsForAPerson(request)) {
      response.set_content(ErrorPage(status), "text/html; charset=utf-8");
    }
    if (response.status >= 500) {
      LogWarning("a request failed", {{"request_id", exchange.request_id},
                                      {"path", request.path},
                                      {"error", status.ToString()}});
    }
  }
  metrics_->CountRequest(route == routes_.end() ? "other" : request.path, response.status,
                         absl::Now() - start);
}

bool Router::LeadToRoute(Exchange& exchange) const {
  const std::string& path = exchange.request.path;
  const std::string shorter(absl::StripSuffix(path, "/"));
  if (shorter == path || routes_.count({"GET", shorter}) == 0) return false;
  if (exchange.request.method != "GET" && exchange.request.method != "HEAD") return false;
  const std::string& target = exchange.request.target;
  const size_t query = target.find('?');
  SetHeader(exchange, "Location",
            absl::StrCat(shorter, query == std::string::npos ? "" : target.substr(query)));
  exchange.response.status = 308;
  return true;
}

absl::Status Router::CheckParameters(const httplib::Request& request) {
  for (const auto& [name, value] : request.params) {
    if (IsUtf8(value)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("the parameter '", absl::CHexEscape(name), "' of the address is not UTF-8"));
  }
  return absl::OkStatus();
}

absl::Status Router::Dispatch(const Route& route, Exchange& exchange,
                              const httplib::ContentReader* reader) const {
  // Read the body even if the request is refused; otherwise the browser, still sending, would not
  // see why.
  absl::StatusOr<std::string> body = std::string();
  if (reader != nullptr && HasBody(exchange.request)) body = ReadBody(exchange.request, *reader);
  S2P_RETURN_IF_ERROR(CheckAccess(route.access, exchange.request));
  if (!body.ok()) return body.status();
  S2P_RETURN_IF_ERROR(CheckParameters(exchange.request));
  exchange.body = *std::move(body);
  return route.handler(exchange);
}

absl::Status Router::CheckAccess(Access access, const httplib::Request& request) const {
  const RequestOrigin from{request.get_header_value("Host"), request.get_header_value("Origin"),
                           request.get_header_value("Sec-Fetch-Site")};
  absl::Status status = CheckHost(from, options_.host_names);
  if (!status.ok()) return status;
  const bool reads = request.method == "GET" || request.method == "HEAD";
  if (!reads) status = CheckOrigin(from, /*must_tell=*/access == Access::kOperator);
  if (!status.ok() || access != Access::kOperator) return status;
  if (sessions_->IsOperator(Cookie(request.get_header_value("Cookie"), kSessionCookie))) {
    return absl::OkStatus();
  }
  return absl::UnauthenticatedError("this is for operators who have logged in");
}

absl::StatusOr<std::string> Router::ReadBody(const httplib::Request& request,
                                             const httplib::ContentReader& reader) const {
  if (request.is_multipart_form_data()) {
    // The library can read such a body only in its own way, without a bound. The unread rest is
    // never taken for another request, since no connection is reused (WebServer).
    return absl::InvalidArgumentError("multipart/form-data is not supported: send the bytes alone");
  }
  std::string body;
  bool too_large = false;
  const bool whole = reader([&](const char* bytes, size_t count) {
    // For a compressed request, these are the uncompressed bytes.
    too_large = too_large || body.size() + count > options_.max_body_bytes;
    if (!too_large) body.append(bytes, count);
    return true;
  });
  if (too_large) {
    return TooLargeError(
        absl::StrCat("at most ", options_.max_body_bytes >> 20, " MiB are accepted at once"));
  }
  if (!whole) return absl::CancelledError("the connection broke in the middle of the request");
  return body;
}

absl::Duration Router::Timeout(const httplib::Request& request) const {
  int64_t milliseconds = 0;
  if (!absl::SimpleAtoi(request.get_header_value("x-timeout-ms"), &milliseconds) ||
      milliseconds <= 0) {
    return options_.default_timeout;
  }
  return std::min(absl::Milliseconds(milliseconds), options_.max_timeout);
}

std::string Router::Cookie(absl::string_view header, absl::string_view name) {
  for (absl::string_view pair : absl::StrSplit(header, ';')) {
    pair = absl::StripAsciiWhitespace(pair);
    if (absl::ConsumePrefix(&pair, name) && absl::ConsumePrefix(&pair, "=")) {
      return std::string(pair);
    }
  }
  return "";
}

}  // namespace s2p

#include "client/web/router.h"

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
#include "daemon/http/client_address.h"
#include "daemon/listen_address.h"
#include "daemon/log.h"
#include "daemon/retry_after.h"

namespace s2p {
namespace {

constexpr size_t kMaxRequestIdBytes = 128;
// The body of a GET means nothing, and is ignored.
constexpr uint64_t kMaxIgnoredBytes = 64 << 10;
// Clients whose calls are counted; each takes some 200 bytes.
constexpr size_t kMostClients = 10000;
constexpr char kJsonType[] = "application/json";

// The page loads nothing from other sites, may not be framed, and submits no forms.
constexpr char kContentSecurityPolicy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

std::string RequestId(const HttpRequest& request) {
  const std::string given(request.Header("x-request-id"));
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

void SetCommonHeaders(const std::string& request_id, HttpResponse& response) {
  response.AddHeader("Content-Security-Policy", kContentSecurityPolicy);
  response.AddHeader("X-Content-Type-Options", "nosniff");
  response.AddHeader("X-Frame-Options", "DENY");
  response.AddHeader("Referrer-Policy", "no-referrer");
  response.AddHeader("Cross-Origin-Opener-Policy", "same-origin");
  response.AddHeader("Cross-Origin-Resource-Policy", "same-origin");
  response.AddHeader("Permissions-Policy", "camera=(), microphone=(), geolocation=()");
  response.AddHeader("x-request-id", request_id);
  response.AddHeader("Cache-Control", "no-store");
}

void WriteError(const absl::Status& status, const std::string& request_id, HttpResponse& response) {
  response.status = HttpStatus(status.code());
  if (const auto after = RetryAfter(status)) {
    // In whole seconds, at least one.
    response.AddHeader("Retry-After", absl::StrCat(absl::ToInt64Seconds(absl::Ceil(
                                          std::max(*after, absl::Seconds(1)), absl::Seconds(1)))));
  }
  response.SetBody(ErrorBody(status, request_id), kJsonType);
}

// Whether a person opened this address in a browser, as opposed to a program that reads JSON.
bool IsForAPerson(const HttpRequest& request) {
  return !absl::StartsWith(request.path, "/api/") && request.method == "GET" &&
         absl::StrContains(request.Header("Accept"), "text/html");
}

// `client` is an AddressGroup.
bool IsLoopback(const std::string& client) {
  return ListenAddress{client, 0}.is_loopback() || client == AddressGroup("::1");
}

bool IsRead(const HttpRequest& request) {
  return request.method == "GET" || request.method == "HEAD";
}

bool IsMultipart(const HttpRequest& request) {
  return absl::StartsWithIgnoreCase(request.Header("Content-Type"), "multipart/form-data");
}

std::string Amount(uint64_t bytes) {
  return bytes >> 20 > 0 ? absl::StrCat(bytes >> 20, " MiB") : absl::StrCat(bytes, " bytes");
}

// Explains why the server itself refused a request, by the status that it chose.
absl::Status ServerError(int status, absl::string_view message) {
  switch (status) {
    case 408:
      return absl::DeadlineExceededError(message);
    case 413:
    case 431:
      return TooLargeError(message);
    case 414:
      return TooLargeError(absl::StrCat(message,
                                        "; send the request as the body of POST /api/photos/list "
                                        "or POST /api/photo"));
    case 500:
      return absl::InternalError("the gateway failed");
    case 501:
      return absl::UnimplementedError(message);
    case 503:
      return absl::UnavailableError(message);
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("this is not an HTTP request that can be read: ", message));
  }
}

}  // namespace

Router::Router(RouterOptions options, const OperatorSessions* sessions, const TrustedProxy* proxy,
               WebMetrics* metrics)
    : options_(std::move(options)),
      sessions_(sessions),
      proxy_(proxy),
      metrics_(metrics),
      message_memory_(options_.message_memory_bytes),
      by_address_(
          options_.calls_per_second_per_address > 0
              ? std::make_unique<TokenBuckets>(options_.calls_per_second_per_address, kMostClients)
              : nullptr) {}

void Router::Add(const std::string& method, const std::string& path, Access access,
                 ExchangeHandler handler, std::optional<uint64_t> max_body_bytes) {
  Route& route = routes_[{method, path}];
  route.access = access;
  route.handler = std::move(handler);
  route.max_body_bytes =
      max_body_bytes.value_or(method == "GET" ? kMaxIgnoredBytes : options_.max_body_bytes);
}

void Router::LimitRate(const std::string& method, const std::string& path, double per_second,
                       double at_once) {
  if (per_second <= 0) return;
  routes_.at({method, path}).by_address =
      std::make_unique<TokenBuckets>(per_second, at_once, kMostClients);
}

void Router::AddProbe(const std::string& path, ExchangeHandler handler) {
  Add("GET", path, Access::kAnyone, std::move(handler));
  routes_[{"GET", path}].is_probe = true;
}

const Router::Route* Router::Find(const HttpRequest& request) const {
  // HEAD is a GET whose body the server omits.
  const auto found =
      routes_.find({request.method == "HEAD" ? "GET" : request.method, request.path});
  return found == routes_.end() ? nullptr : &found->second;
}

void Router::NoteProxy(const HttpRequest& request) {
  if (!proxy_->IgnoresClientOf(request) || proxy_noted_.exchange(true)) return;
  LogWarning(
      "X-Forwarded-For is ignored, because its sender is no --trusted-proxy; if it is a proxy, all "
      "its clients share the limits of one address",
      {{"address", request.remote_address}});
}

HttpAdmission Router::Admit(const HttpRequest& request) {
  NoteProxy(request);
  HttpAdmission admission;
  const Route* const route = Find(request);
  const absl::Status status =
      route != nullptr ? Check(*route, request)
                       : absl::NotFoundError(absl::StrCat(
                             request.method == "HEAD" ? "GET" : request.method, " ", request.path));
  const auto target = route == nullptr ? LeadToRoute(request) : std::nullopt;
  if (target.has_value()) {
    const std::string request_id = RequestId(request);
    HttpResponse response;
    SetCommonHeaders(request_id, response);
    response.SetHeader("Location", *target);
    response.status = 308;
    admission.answer = Complete(request, request_id, absl::OkStatus(), std::move(response));
  } else if (!status.ok()) {
    const std::string request_id = RequestId(request);
    HttpResponse response;
    SetCommonHeaders(request_id, response);
    admission.answer = Complete(request, request_id, status, std::move(response));
  } else if (route->is_probe) {
    HttpRequest copy = request;
    admission.answer = Run(*route, copy);
  } else {
    admission.max_body_bytes = route->max_body_bytes;
    admission.caller = AddressGroup(proxy_->ClientOf(request));
  }
  return admission;
}

HttpResponse Router::Answer(HttpRequest& request) { return Run(*Find(request), request); }

HttpResponse Router::Run(const Route& route, HttpRequest& request) {
  Exchange exchange{request,
                    {},
                    RequestId(request),
                    Timeout(request),
                    MemoryLimit::Share(&message_memory_),
                    proxy_->UserOf(request),
                    AddressGroup(proxy_->ClientOf(request)),
                    route.access == Access::kOperator || (!route.is_probe && IsOperator(request))};
  SetCommonHeaders(exchange.request_id, exchange.response);
  const absl::Status status = route.handler(exchange);
  if (route.access == Access::kOperator && !IsRead(request)) {
    LogInfo("change", {{"user", exchange.user},
                       {"address", proxy_->ClientOf(request)},
                       {"path", request.path},
                       {"code", absl::StatusCodeToString(status.code())},
                       {"request_id", exchange.request_id}});
  }
  return Complete(request, exchange.request_id, status, std::move(exchange.response));
}

HttpResponse Router::Complete(const HttpRequest& request, const std::string& request_id,
                              const absl::Status& status, HttpResponse response) const {
  if (!status.ok()) {
    WriteError(status, request_id, response);
    if (IsForAPerson(request)) response.SetBody(ErrorPage(status), "text/html; charset=utf-8");
    if (response.status >= 500) {
      LogWarning(
          "a request failed",
          {{"request_id", request_id}, {"path", request.path}, {"error", status.ToString()}});
    }
  }
  return response;
}

HttpResponse Router::Refuse(const HttpRequest& request, int status, absl::string_view message) {
  const Route* const route = Find(request);
  const std::string limit =
      route == nullptr
          ? ""
          : absl::StrCat("at most ", Amount(route->max_body_bytes), " are accepted at once");
  const absl::Status error = ServerError(status, status == 413 && !limit.empty() ? limit : message);
  const std::string request_id = RequestId(request);
  HttpResponse response;
  SetCommonHeaders(request_id, response);
  WriteError(error, request_id, response);
  response.status = status;
  if (status == 503) response.SetHeader("Retry-After", "1");
  return response;
}

void Router::Record(const HttpRequest& request, int status) {
  // The head of a request that could not be read has no arrival.
  const bool has_arrived = request.arrived != std::chrono::steady_clock::time_point();
  metrics_->CountRequest(Find(request) == nullptr ? "other" : request.path, status,
                         has_arrived
                             ? absl::FromChrono(std::chrono::steady_clock::now() - request.arrived)
                             : absl::ZeroDuration());
}

std::optional<std::string> Router::LeadToRoute(const HttpRequest& request) const {
  const std::string shorter(absl::StripSuffix(request.path, "/"));
  if (shorter == request.path || routes_.count({"GET", shorter}) == 0 || !IsRead(request)) {
    return std::nullopt;
  }
  const size_t query = request.target.find('?');
  return absl::StrCat(shorter, query == std::string::npos ? "" : request.target.substr(query));
}

absl::Status Router::CheckRate(TokenBuckets* by_address, absl::string_view what,
                               const HttpRequest& request) const {
  if (by_address == nullptr) return absl::OkStatus();
  const std::string client = AddressGroup(proxy_->ClientOf(request));
  if (!options_.limit_loopback && IsLoopback(client)) return absl::OkStatus();
  const absl::Duration pause = by_address->Take(client, TokenBuckets::Clock::now());
  if (pause == absl::ZeroDuration()) return absl::OkStatus();
  return BusyError(absl::StrCat("the address ", client, " may start ", by_address->rate(), " ",
                                what, " a second"),
                   pause);
}

absl::Status Router::Check(const Route& route, const HttpRequest& request) const {
  if (absl::StartsWith(request.path, "/api/")) {
    S2P_RETURN_IF_ERROR(CheckRate(by_address_.get(), "requests", request));
  }
  S2P_RETURN_IF_ERROR(CheckAccess(route.access, request));
  // Only now, so that pages of other sites use up nothing of it.
  S2P_RETURN_IF_ERROR(
      CheckRate(route.by_address.get(), absl::StrCat("requests of ", request.path), request));
  if (!IsRead(request) && IsMultipart(request)) {
    return absl::InvalidArgumentError("multipart/form-data is not supported: send the bytes alone");
  }
  for (const auto& [name, value] : request.parameters) {
    if (IsUtf8(value)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("the parameter '", absl::CHexEscape(name), "' of the address is not UTF-8"));
  }
  return absl::OkStatus();
}

absl::Status Router::CheckAccess(Access access, const HttpRequest& request) const {
  const RequestOrigin from{std::string(request.Header("Host")),
                           std::string(request.Header("Origin")),
                           std::string(request.Header("Sec-Fetch-Site"))};
  S2P_RETURN_IF_ERROR(CheckHost(from, options_.host_names));
  if (!IsRead(request)) {
    S2P_RETURN_IF_ERROR(CheckOrigin(from, /*must_tell=*/access == Access::kOperator));
  }
  if (access != Access::kOperator || IsOperator(request)) return absl::OkStatus();
  return absl::UnauthenticatedError("this is for operators who have logged in");
}

bool Router::IsOperator(const HttpRequest& request) const {
  return !proxy_->UserOf(request).empty() ||
         sessions_->IsOperator(Cookie(request.Header("Cookie"), kSessionCookie));
}

absl::Duration Router::Timeout(const HttpRequest& request) const {
  int64_t milliseconds = 0;
  if (!absl::SimpleAtoi(request.Header("x-timeout-ms"), &milliseconds) || milliseconds <= 0) {
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

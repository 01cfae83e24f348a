#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "client/web/routes.h"

namespace s2p {
namespace {

// Anyone may send a login, and parsing a document of many small values takes a hundred times its
// size.
constexpr uint64_t kMaxLoginBytes = 16 << 10;

std::string TokenOf(const Exchange& exchange) {
  return Router::Cookie(exchange.request.Header("Cookie"), kSessionCookie);
}

void SetToken(Exchange& exchange, const std::string& token, const char* more) {
  // Behind a proxy that ends TLS, the cookie must not be sent in plain text.
  const bool over_tls =
      exchange.request.over_tls || exchange.request.Header("X-Forwarded-Proto") == "https";
  exchange.response.AddHeader(
      "Set-Cookie", absl::StrCat(kSessionCookie, "=", token, "; Path=/; HttpOnly; SameSite=Strict",
                                 over_tls ? "; Secure" : "", more));
}

absl::Status Login(OperatorSessions& sessions, const TrustedProxy& proxy, Exchange& exchange) {
  const auto json =
      nlohmann::json::parse(exchange.request.body, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("password") || !json["password"].is_string()) {
    return absl::InvalidArgumentError("password: the body is not JSON with a password");
  }
  if (sessions.login_required()) {
    S2P_ASSIGN_OR_RETURN(const auto token, sessions.Login(json["password"].get<std::string>(),
                                                          proxy.ClientOf(exchange.request)));
    SetToken(exchange, token, "");
  }
  AnswerNothing(exchange);
  return absl::OkStatus();
}

absl::Status Logout(OperatorSessions& sessions, Exchange& exchange) {
  sessions.Logout(TokenOf(exchange));
  SetToken(exchange, "", "; Max-Age=0");
  AnswerNothing(exchange);
  return absl::OkStatus();
}

}  // namespace

void AddSessionRoutes(const SessionRouteOptions& options, OperatorSessions& sessions,
                      const TrustedProxy& proxy, Router& router) {
  router.Add("GET", "/api/session", Router::Access::kAnyone, [options, &sessions](Exchange& e) {
    const nlohmann::json body = {{"operator", e.is_operator},
                                 {"loginRequired", sessions.login_required()},
                                 {"trainer", options.has_trainer},
                                 {"galleryTraining", options.has_gallery_training},
                                 {"maxBodyBytes", options.max_body_bytes}};
    Answer(e, body.dump(), "application/json");
    return absl::OkStatus();
  });
  router.Add(
      "POST", "/api/login", Router::Access::kOwnPage,
      [&sessions, &proxy](Exchange& e) { return Login(sessions, proxy, e); }, kMaxLoginBytes);
  router.Add(
      "POST", "/api/logout", Router::Access::kOwnPage,
      [&sessions](Exchange& e) { return Logout(sessions, e); }, kMaxLoginBytes);
}

}  // namespace s2p
